package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"example.com/shop/internal/certificate"
	"example.com/shop/internal/web"
)

const shutdownTime = 10 * time.Second

// addresses are what a shop listens on.
type addresses struct {
	http        string
	tls         string // empty is none
	certificate string
	supply      string // empty is none
}

// serve runs the shop until ctx ends, then lets the open requests finish.
func serve(ctx context.Context, shop *web.Shop, at addresses) error {
	listeners, err := at.open(shop)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: shop.Handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { ended <- server.Serve(listener) }()
	}
	fmt.Printf("listening http://%s\n", listeners[0].Addr())

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
	for range listeners {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	return nil
}

// open listens. The listeners of HTTP are returned, plain text first.
func (at addresses) open(shop *web.Shop) ([]net.Listener, error) {
	plain, err := net.Listen("tcp", at.http)
	if err != nil {
		return nil, err
	}
	shop.SetAddress("http", plain.Addr().String())
	listeners := []net.Listener{plain}
	if at.tls != "" {
		own, err := certificate.Make(at.certificate)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		secure, err := tls.Listen("tcp", at.tls, &tls.Config{Certificates: []tls.Certificate{own}})
		if err != nil {
			return nil, err
		}
		shop.SetAddress("tls", secure.Addr().String())
		listeners = append(listeners, secure)
	}
	if at.supply != "" {
		supply, err := net.Listen("tcp", at.supply)
		if err != nil {
			return nil, err
		}
		shop.SetAddress("supply", supply.Addr().String())
		shop.Supply(supply)
	}
	return listeners, nil
}
