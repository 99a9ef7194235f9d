package web

import (
	"errors"
	"fmt"
	"net/http"

	"example.com/shop/internal/clock"
	"example.com/shop/internal/feed"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/recommend"
)

func (s *Shop) catalogue(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	query := req.URL.Query()
	page := s.number(query, "page")
	products, err := s.catalogueStore.Page(rc, page, query.Get("order"))
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"page": page, "products": products})
}

func (s *Shop) search(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	q := req.URL.Query().Get("q")
	if q == "" {
		writeError(w, http.StatusBadRequest, errors.New("parameter q is missing"))
		return
	}
	hits := s.searchIndex.Match(q)
	s.history.Add(rc, q, hits)
	writeJSON(w, http.StatusOK, map[string]any{"query": q, "hits": hits})
}

func (s *Shop) order(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	first := s.number(req.URL.Query(), "item")
	o := orders.Order{Customer: fmt.Sprintf("customer-%d", first%1000)}
	for i := range 8 {
		p := &s.products[(first+i*17)%len(s.products)]
		o.Lines = append(o.Lines, orders.Line{Item: p.ID, Name: p.Name, Count: i + 1, Cents: p.Cents})
	}
	booking := s.orderPool.Submit(rc, o)
	receipt, err := orders.NewReceipt(o, booking)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, receipt)
}

func (s *Shop) recommend(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	item := s.number(req.URL.Query(), "item")
	items, err := s.downstream.Related(req.Context(), rc, item)
	switch {
	case errors.Is(err, recommend.ErrNoDownstream):
		writeError(w, http.StatusServiceUnavailable, err)
	case err != nil:
		writeError(w, http.StatusBadGateway, err)
	default:
		writeJSON(w, http.StatusOK, map[string]any{"item": item, "proposals": s.taste.Rank(items)})
	}
}

func (s *Shop) image(w http.ResponseWriter, req *http.Request, _ *clock.Request) {
	item := s.number(req.URL.Query(), "item")
	t, err := s.renderer.Thumbnail(item)
	defer s.renderer.Release(t)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"item": item, "type": "image/png", "data": t.PNG})
}

func (s *Shop) feed(w http.ResponseWriter, req *http.Request, _ *clock.Request) {
	reader := s.number(req.URL.Query(), "reader")
	cards, err := feed.Cards(s.hub.News(reader))
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"reader": reader, "stories": cards})
}

func (s *Shop) account(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	customer := s.number(req.URL.Query(), "customer")
	purchases, err := s.ledger.Statement(req.Context(), rc, customer)
	if err != nil {
		writeError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"customer": customer, "purchases": purchases})
}

func (s *Shop) reserve(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	item := s.number(req.URL.Query(), "item")
	remaining, err := s.ledger.Reserve(req.Context(), rc, item)
	if err != nil {
		writeError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"item": item, "remaining": remaining})
}

func (s *Shop) basket(w http.ResponseWriter, req *http.Request, rc *clock.Request) {
	visitor := s.number(req.URL.Query(), "visitor")
	visits, visitors, err := s.shelf.Visit(req.Context(), rc, visitor)
	if err != nil {
		writeError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"visitor": visitor, "visits": visits, "visitors": visitors})
}

func (s *Shop) relatedItems(w http.ResponseWriter, req *http.Request, _ *clock.Request) {
	item := s.number(req.URL.Query(), "item")
	writeJSON(w, http.StatusOK, map[string]any{"item": item, "items": s.related.List(item)})
}

func (s *Shop) healthz(w http.ResponseWriter, _ *http.Request, _ *clock.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Shop) listening(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.addresses)
}

func (s *Shop) clocks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.book.Read())
}

func (s *Shop) adminGet(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Settings.Read())
}

func (s *Shop) adminSet(w http.ResponseWriter, req *http.Request) {
	if err := s.Settings.Change(req.URL.Query()); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, s.Settings.Read())
}
