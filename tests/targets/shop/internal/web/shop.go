// Package web serves the shop over HTTP.
package web

import (
	"context"
	"crypto/x509"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shop/internal/accounts"
	"example.com/shop/internal/basket"
	"example.com/shop/internal/catalogue"
	"example.com/shop/internal/clock"
	"example.com/shop/internal/feed"
	"example.com/shop/internal/images"
	"example.com/shop/internal/journal"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/recommend"
	"example.com/shop/internal/search"
	"example.com/shop/internal/settings"
	"example.com/shop/internal/supply"
)

// Sizes of the parts at start.
const (
	articles  = 1500 // what orders and recommendations know
	searched  = 400
	stories   = 2300
	pages     = 19
	terms     = 50
	followers = 1
	workers   = 64
	jobTime   = 5 * time.Millisecond
	attempts  = 4
	pause     = 20 * time.Millisecond

	connections = 40
	lines       = 20
)

// Shop is the service with all its parts.
type Shop struct {
	Settings *settings.List

	catalogueStore *catalogue.Store
	searchIndex    *search.Index
	history        *search.History
	orderPool      *orders.Pool
	related        *recommend.Related
	downstream     *recommend.Client
	taste          *recommend.Taste
	renderer       *images.Renderer
	hub            *feed.Hub
	suppliers      *supply.Client
	supplier       *supply.Server
	journal        *journal.Journal
	ledger         *accounts.Ledger // nil without a database
	shelf          *basket.Shelf    // nil without a cache

	products  []catalogue.Product
	turn      atomic.Int64 // varies requests that say nothing else
	addresses map[string]string
	book      *clock.Book
	registry  *prometheus.Registry
	served    served
}

// New starts a shop.
func New() *Shop {
	products := catalogue.Products(articles)
	registry, served := newMetrics()
	s := &Shop{
		Settings:       settings.New(),
		catalogueStore: catalogue.NewStore(pages),
		searchIndex:    search.NewIndex(products[:searched], terms),
		history:        search.NewHistory(),
		orderPool:      orders.NewPool(workers, jobTime),
		related:        recommend.NewRelated(products),
		downstream:     recommend.NewClient(),
		taste:          recommend.NewTaste(products),
		renderer:       images.NewRenderer(),
		hub:            feed.NewHub(catalogue.Products(stories), followers),
		suppliers:      supply.NewClient(attempts, pause),
		supplier:       new(supply.Server),
		journal:        new(journal.Journal),
		products:       products,
		addresses:      make(map[string]string),
		book:           clock.NewBook(),
		registry:       registry,
		served:         served,
	}
	s.addSettings()
	return s
}

func (s *Shop) addSettings() {
	l := s.Settings
	l.Always("refresh", "read the catalogue document again on every /catalogue", &s.catalogueStore.RefreshAlways)
	l.Int("pages", "size of the catalogue document in pages", 1, 5000, s.catalogueStore.Pages, s.catalogueStore.SetPages)
	l.Always("compile", "build the search patterns on every /search", &s.searchIndex.CompileAlways)
	l.Count("terms", "number of patterns that compile=always builds", 1, 5000, &s.searchIndex.Terms)
	l.Int("workers", "size of the order pool", 1, 10000, s.orderPool.Size, s.orderPool.Resize)
	l.Duration("job-time", "time a worker needs for an order", time.Minute, &s.orderPool.JobTime)
	l.Duration("delay", "wait of /related before it answers", time.Minute, &s.related.Delay)
	l.Size("buffer", "read buffer of every /image", 256<<20, &s.renderer.BufferSize)
	l.Always("subscribe", "follow the news from every /feed on", &s.hub.SubscribeAlways)
	l.Count("followers", "subscriptions that subscribe=always starts", 1, 1000, &s.hub.Followers)
	l.Always("renew", "note every answer of the downstream", &s.downstream.RenewAlways)
	l.Always("hang-up", "end the connection after every call of the downstream", &s.downstream.HangUpAlways)
	l.Count("history", "steps of every /search that are noted; 0 is none", 0, 1_000_000, &s.history.Steps)
	l.Count("flush-lines", "lines after which the log is brought to disk; 0 is never", 0, 1_000_000, &s.journal.FlushLines)
	l.Count("log-steps", "more lines of the log about each request", 0, 1000, &s.journal.Steps)
	l.Count("attempts", "how often a supplier is asked at most", 1, 10, &s.suppliers.Attempts)
	l.Duration("pause", "time before a supplier is asked again; doubles", time.Minute, &s.suppliers.Pause)
	l.Duration("work-time", "time a supplier needs for an answer", time.Minute, &s.supplier.WorkTime)
	l.Count("recount", "one in how many questions a supplier cannot answer; 0 is none", 0, 1_000_000, &s.supplier.Recount)
	l.Int("streams", "questions at a time on a connection to a supplier; 0 is no limit", 0, 1_000_000,
		s.supplier.Streams, s.supplier.SetStreams)
}

// SetDownstream names the service that knows related products. To be called
// before serving starts.
func (s *Shop) SetDownstream(base string) {
	s.downstream.Base = base
}

// Trust accepts the certificates of these authorities from the downstream. To
// be called before serving starts.
func (s *Shop) Trust(authorities *x509.CertPool) {
	s.downstream.Trust(authorities)
}

// SetSuppliers names the supplier to ask. To be called before serving starts.
func (s *Shop) SetSuppliers(address string) error {
	return s.suppliers.Dial(address)
}

// SetLog writes a line about each request to a file. To be called before
// serving starts.
func (s *Shop) SetLog(path string) error {
	return s.journal.Open(path)
}

// SetAddress notes where the shop listens for a kind of connection, for
// /addresses. To be called before serving starts.
func (s *Shop) SetAddress(kind, address string) {
	s.addresses[kind] = address
}

// SetDatabase serves accounts and stock from PostgreSQL. To be called before
// serving starts; its settings are no flags.
func (s *Shop) SetDatabase(ctx context.Context, dsn string) error {
	ledger, err := accounts.Open(ctx, dsn, connections, lines)
	if err != nil {
		return err
	}
	s.ledger = ledger
	l := s.Settings
	l.Int("connections", "most connections to the database", 1, 1000, ledger.Connections, ledger.SetConnections)
	l.Count("lines", "purchases on an /account", 1, 40, &ledger.Lines)
	l.Always("row-titles", "read the title of each line of an /account when it is written", &ledger.TitleByRow)
	return nil
}

// SetCache serves baskets from Redis. To be called before serving starts.
func (s *Shop) SetCache(ctx context.Context, url string) error {
	shelf, err := basket.Open(ctx, url)
	if err != nil {
		return err
	}
	s.shelf = shelf
	s.Settings.Always("census", "say the number of visitors in every /basket", &shelf.Census)
	s.Settings.Always("redial", "connect for every /basket", &shelf.Redial)
	return nil
}

// Close ends the workers and connections. No request may be under way.
func (s *Shop) Close() {
	s.orderPool.Close()
	s.downstream.Close()
	s.suppliers.Close()
	s.supplier.Close()
	_ = s.journal.Close()
	if s.ledger != nil {
		_ = s.ledger.Close()
	}
	if s.shelf != nil {
		_ = s.shelf.Close()
	}
}
