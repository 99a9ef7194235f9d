package web

import (
	"errors"
	"net"
	"net/http"

	"example.com/shop/internal/clock"
	"example.com/shop/internal/supply"
)

// availability says how many pieces of an article the supplier has.
func (s *Shop) availability(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	item := s.number(req.URL.Query(), "item")
	pieces, err := s.suppliers.Pieces(req.Context(), rc, item)
	switch {
	case errors.Is(err, supply.ErrNoSuppliers):
		writeError(w, http.StatusServiceUnavailable, err)
	case err != nil:
		writeError(w, http.StatusBadGateway, err)
	default:
		product := &s.products[item%len(s.products)]
		writeJSON(w, http.StatusOK, map[string]any{"item": item, "product": product, "pieces": pieces})
	}
}

// Supply answers other shops over gRPC until the listener is closed. Its clock
// and metrics go by the name of the method. To be called once, before Handler.
func (s *Shop) Supply(listener net.Listener) {
	account, metrics := s.book.Route(supply.Method), s.served.route(supply.Method)
	s.supplier.Finished = func(rc *clock.Request, err error) {
		code := http.StatusOK
		if err != nil {
			code = http.StatusServiceUnavailable
		}
		metrics.observe(code, account.Finish(rc))
	}
	go func() { _ = s.supplier.Serve(listener) }() // ends with the listener, without news
}
