// Package web serves the shop over HTTP.
package web

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shop/internal/catalogue"
	"example.com/shop/internal/clock"
	"example.com/shop/internal/feed"
	"example.com/shop/internal/images"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/recommend"
	"example.com/shop/internal/search"
	"example.com/shop/internal/settings"
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
)

// Shop is the service with all its parts.
type Shop struct {
	Settings *settings.List

	catalogueStore *catalogue.Store
	searchIndex    *search.Index
	orderPool      *orders.Pool
	related        *recommend.Related
	downstream     *recommend.Client
	taste          *recommend.Taste
	renderer       *images.Renderer
	hub            *feed.Hub

	products []catalogue.Product
	turn     atomic.Int64 // varies requests that say nothing else
	book     *clock.Book
	registry *prometheus.Registry
	served   served
}

// New starts a shop.
func New() *Shop {
	products := catalogue.Products(articles)
	registry, served := newMetrics()
	s := &Shop{
		Settings:       settings.New(),
		catalogueStore: catalogue.NewStore(pages),
		searchIndex:    search.NewIndex(products[:searched], terms),
		orderPool:      orders.NewPool(workers, jobTime),
		related:        recommend.NewRelated(products),
		downstream:     recommend.NewClient(),
		taste:          recommend.NewTaste(products),
		renderer:       images.NewRenderer(),
		hub:            feed.NewHub(catalogue.Products(stories), followers),
		products:       products,
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
}

// SetDownstream names the service that knows related products. To be called
// before serving starts.
func (s *Shop) SetDownstream(base string) {
	s.downstream.Base = base
}

// Close ends the workers and connections. No request may be under way.
func (s *Shop) Close() {
	s.orderPool.Close()
	s.downstream.Close()
}
