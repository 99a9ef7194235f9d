// chain is a row of four services, each behind the next, so that one trace id passes through all that a request
// meets:
//
//	front (gin) -> orders (echo) -> stock (gRPC, Redis) -> ledger (gRPC, PostgreSQL)
//
// It prints "listening http://127.0.0.1:PORT", the address of front.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	otlp := flag.String("otlp", "127.0.0.1:4317", "host and port of the OTLP receiver (gRPC)")
	postgres := flag.String("postgres", "", "address of PostgreSQL, postgres://..")
	redis := flag.String("redis", "", "address of Redis, redis://..")
	logs := flag.String("logs", ".", "folder of the log files, one for each service")
	flag.Parse()
	if err := run(*otlp, *postgres, *redis, *logs); err != nil {
		log.Fatal(err)
	}
}

func run(otlp, postgres, redis, logs string) error {
	ctx := context.Background()
	services := make(map[string]*service)
	for _, name := range []string{"front", "orders", "stock", "ledger"} {
		s, err := newService(ctx, name, otlp, logs)
		if err != nil {
			return err
		}
		services[name] = s
	}
	ledger, err := startLedger(ctx, services["ledger"], postgres)
	if err != nil {
		return err
	}
	stock, err := startStock(services["stock"], redis, ledger)
	if err != nil {
		return err
	}
	orders, err := startOrders(services["orders"], stock)
	if err != nil {
		return err
	}
	front, err := newFront(services["front"], redis, orders)
	if err != nil {
		return err
	}
	// What is asked about the process is no request of the service: no span, no label.
	mux := http.NewServeMux()
	mux.Handle("/debug/pprof/", http.DefaultServeMux)
	mux.Handle("/metrics", promhttp.HandlerFor(prometheus.DefaultGatherer,
		promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.Handle("/", front)
	listener, err := listen()
	if err != nil {
		return err
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return (&http.Server{Handler: mux, Protocols: protocols}).Serve(listener)
}

func listen() (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}
