// Command shop is a small web shop.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"example.com/shop/internal/certificate"
	"example.com/shop/internal/web"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

// flags are what is no setting: it holds from start to end.
type flags struct {
	addresses
	downstream, trust        string
	suppliers                string
	postgres, redis          string
	log                      string
	mutexFraction, blockRate int
}

func parse(shop *web.Shop, args []string) (f flags, err error) {
	fs := flag.NewFlagSet("shop", flag.ExitOnError)
	fs.StringVar(&f.http, "listen", "127.0.0.1:0", "address to listen on")
	fs.StringVar(&f.tls, "tls", "", "address to listen on with TLS, too; empty is none")
	fs.StringVar(&f.certificate, "certificate", "", "file that -tls writes its certificate to")
	fs.StringVar(&f.supply, "supply", "", "address to answer as a supplier on, by gRPC; empty is none")
	fs.StringVar(&f.downstream, "downstream", "", "URL of the shop that serves /related")
	fs.StringVar(&f.trust, "trust", "", "file with the certificate of the downstream; empty is what the system trusts")
	fs.StringVar(&f.suppliers, "suppliers", "", "address of the supplier for /availability; empty is none")
	fs.IntVar(&f.mutexFraction, "mutex-fraction", 0, "runtime.SetMutexProfileFraction; 0 is off")
	fs.IntVar(&f.blockRate, "block-rate", 0, "runtime.SetBlockProfileRate in ns; 0 is off")
	fs.StringVar(&f.postgres, "postgres", "", "address of PostgreSQL for /account and /reserve; empty is none")
	fs.StringVar(&f.redis, "redis", "", "address of Redis for /basket; empty is none")
	fs.StringVar(&f.log, "log", "", "file for JSON lines about requests; empty is none")
	shop.Settings.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	if fs.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return f, nil
}

func run(args []string) error {
	shop := web.New()
	f, err := parse(shop, args)
	if err != nil {
		return err
	}
	runtime.SetMutexProfileFraction(f.mutexFraction)
	runtime.SetBlockProfileRate(f.blockRate)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := connect(ctx, shop, f); err != nil {
		return err
	}
	return serve(ctx, shop, f.addresses)
}

// connect gives the shop the services, stores and files that are named.
func connect(ctx context.Context, shop *web.Shop, f flags) error {
	shop.SetDownstream(f.downstream)
	if f.trust != "" {
		authorities, err := certificate.Read(f.trust)
		if err != nil {
			return fmt.Errorf("trust: %w", err)
		}
		shop.Trust(authorities)
	}
	if f.suppliers != "" {
		if err := shop.SetSuppliers(f.suppliers); err != nil {
			return fmt.Errorf("suppliers: %w", err)
		}
	}
	if f.postgres != "" {
		if err := shop.SetDatabase(ctx, f.postgres); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	if f.redis != "" {
		if err := shop.SetCache(ctx, f.redis); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
	}
	if f.log != "" {
		return shop.SetLog(f.log)
	}
	return nil
}
