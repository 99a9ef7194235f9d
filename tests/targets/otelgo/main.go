// otelgo is a small service instrumented with the real OpenTelemetry SDK: an HTTP server that works, calls a
// gRPC server in the same process, and works again. Spans, a log record and metrics are exported over OTLP.
//
//	otelgo -endpoint 127.0.0.1:4317 -protocol grpc
//	otelgo -endpoint 127.0.0.1:4318 -protocol http
//
// It prints "listening http://127.0.0.1:PORT". GET /work sleeps 20 ms, calls the stock service (30 ms there,
// of which 10 ms in a span of its own), then sleeps 10 ms. GET /flush exports what is held back. With -leak N every
// GET /work leaves N goroutines behind. With -stock HOST:PORT the stock service of another process is asked, whose
// GET /addresses tells where it listens; POST /admin/set?counting=40ms there makes its own span longer.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	before  = 20 * time.Millisecond
	inStock = 20 * time.Millisecond
	after   = 10 * time.Millisecond
	// The runtime is read anew for every export, not every 15 s.
	readApart = 100 * time.Millisecond
)

// counting is how long the span of the stock service takes, in nanoseconds.
var counting atomic.Int64

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:4317", "host and port of the OTLP receiver")
	protocol := flag.String("protocol", "grpc", "grpc or http")
	leak := flag.Int("leak", 0, "goroutines that a request leaves behind")
	other := flag.String("stock", "", "host and port of the stock service to ask; that of this process if empty")
	flag.Parse()
	counting.Store(int64(10 * time.Millisecond))
	shop, err := newTelemetry(*protocol, *endpoint, "shop", asUsual)
	if err != nil {
		log.Fatal(err)
	}
	stock, err := newTelemetry(*protocol, *endpoint, "stock", sinceLast)
	if err != nil {
		log.Fatal(err)
	}
	err = runtime.Start(runtime.WithMeterProvider(shop.metrics), runtime.WithMinimumReadMemStatsInterval(readApart))
	if err != nil {
		log.Fatal(err)
	}
	address, err := serveStock(stock)
	if err != nil {
		log.Fatal(err)
	}
	asked := address
	if *other != "" {
		asked = *other
	}
	handler, err := newShop(shop, asked, *leak)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /work", handler)
	mux.Handle("/debug/pprof/", http.DefaultServeMux)
	control(mux, address, shop, stock)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, mux))
}

// control is for the tests: what is exported, where the stock service listens, and how long it takes.
func control(mux *http.ServeMux, stock string, all ...*telemetry) {
	mux.HandleFunc("GET /flush", func(w http.ResponseWriter, r *http.Request) {
		for _, t := range all {
			if err := t.flush(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	})
	mux.HandleFunc("GET /addresses", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(map[string]string{"stock": stock}); err != nil {
			log.Print(err)
		}
	})
	mux.HandleFunc("POST /admin/set", func(w http.ResponseWriter, r *http.Request) {
		length, err := time.ParseDuration(r.FormValue("counting"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		counting.Store(int64(length))
	})
}

// newShop answers a request by asking the stock service.
func newShop(t *telemetry, stock string, leak int) (http.Handler, error) {
	client, err := grpc.NewClient(stock,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(t.traces),
			otelgrpc.WithMeterProvider(t.metrics),
			otelgrpc.WithPropagators(otel.GetTextMapPropagator()))))
	if err != nil {
		return nil, err
	}
	requests, err := t.metrics.Meter("shop").Int64Counter("shop.requests", metric.WithUnit("{request}"))
	if err != nil {
		return nil, err
	}
	logger := otelslog.NewLogger("shop", otelslog.WithLoggerProvider(t.logs))
	work := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(before)
		if err := client.Invoke(r.Context(), "/stock.Stock/Count", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		time.Sleep(after)
		requests.Add(r.Context(), 1)
		logger.InfoContext(r.Context(), "counted", "session.token", "hunter2")
		logger.WarnContext(r.Context(), fmt.Sprintf("stock is low: %d left", time.Now().UnixNano()%9+1),
			slog.Int("leak", leak))
		for range leak {
			go func() { select {} }()
		}
	}
	return otelhttp.NewHandler(http.HandlerFunc(work), "GET /work",
		otelhttp.WithTracerProvider(t.traces),
		otelhttp.WithMeterProvider(t.metrics),
		otelhttp.WithPropagators(otel.GetTextMapPropagator())), nil
}

// serveStock is the service behind the shop; its address.
func serveStock(t *telemetry) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	tracer := t.traces.Tracer("stock")
	meter := t.metrics.Meter("stock")
	counts, err1 := meter.Int64Counter("stock.counts", metric.WithUnit("{count}"))
	durations, err2 := meter.Float64Histogram("stock.count.duration", metric.WithUnit("s"))
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	count := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(&emptypb.Empty{}); err != nil {
			return nil, err
		}
		begin := time.Now()
		time.Sleep(inStock)
		_, span := tracer.Start(ctx, "count rows")
		time.Sleep(time.Duration(counting.Load()))
		span.End()
		counts.Add(ctx, 1)
		durations.Record(ctx, time.Since(begin).Seconds())
		return &emptypb.Empty{}, nil
	}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.traces),
		otelgrpc.WithMeterProvider(t.metrics),
		otelgrpc.WithPropagators(otel.GetTextMapPropagator()))))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "stock.Stock",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Count", Handler: count}},
	}, nil)
	go func() { log.Fatal(server.Serve(listener)) }()
	return listener.Addr().String(), nil
}
