// Command shop is a small web shop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"example.com/shop/internal/web"
)

const (
	shutdownTime = 10 * time.Second
	// A request that takes longer is logged as slow.
	slowTime = 50 * time.Millisecond
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	shop := web.New()
	fs := flag.NewFlagSet("shop", flag.ExitOnError)
	listen := fs.String("listen", "127.0.0.1:0", "address to listen on")
	downstream := fs.String("downstream", "", "URL of the shop that serves /related")
	mutexFraction := fs.Int("mutex-fraction", 0, "runtime.SetMutexProfileFraction; 0 is off")
	blockRate := fs.Int("block-rate", 0, "runtime.SetBlockProfileRate in ns; 0 is off")
	postgres := fs.String("postgres", "", "address of PostgreSQL for /account and /reserve; empty is none")
	cache := fs.String("redis", "", "address of Redis for /basket; empty is none")
	logFile := fs.String("log", "", "file for JSON lines about requests; empty is none")
	shop.Settings.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	runtime.SetMutexProfileFraction(*mutexFraction)
	runtime.SetBlockProfileRate(*blockRate)
	shop.SetDownstream(*downstream)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := connect(ctx, shop, *postgres, *cache); err != nil {
		return err
	}
	handler := shop.Handler()
	if *logFile != "" {
		file, err := os.OpenFile(*logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		handler = logged(handler, slog.New(slog.NewJSONHandler(file, nil)))
	}
	return serve(ctx, shop, handler, *listen)
}

// connect gives the shop the stores that are named.
func connect(ctx context.Context, shop *web.Shop, postgres, cache string) error {
	if postgres != "" {
		if err := shop.SetDatabase(ctx, postgres); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	if cache != "" {
		if err := shop.SetCache(ctx, cache); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
	}
	return nil
}

// logged writes a line about each request, with the trace it belongs to.
func logged(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		next.ServeHTTP(w, r)
		took := time.Since(begin)
		trace := ""
		if fields := strings.Split(r.Header.Get("traceparent"), "-"); len(fields) == 4 {
			trace = fields[1]
		}
		if took > slowTime {
			logger.Warn("slow request for "+r.URL.Path, "took", took, "trace_id", trace)
		} else {
			logger.Info("request for "+r.URL.Path, "took", took, "trace_id", trace)
		}
	})
}

// serve runs the shop until ctx ends, then lets the open requests finish.
func serve(ctx context.Context, shop *web.Shop, handler http.Handler, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Printf("listening http://%s\n", listener.Addr())

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	shop.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
