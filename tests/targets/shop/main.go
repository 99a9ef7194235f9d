// Command shop is a small web shop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"example.com/shop/internal/web"
)

const shutdownTime = 10 * time.Second

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
	return serve(ctx, shop, *listen)
}

// serve runs the shop until ctx ends, then lets the open requests finish.
func serve(ctx context.Context, shop *web.Shop, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: shop.Handler(), ReadHeaderTimeout: 10 * time.Second}
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
