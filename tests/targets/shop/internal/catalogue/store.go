// Package catalogue holds the articles of the shop in memory.
package catalogue

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"example.com/shop/internal/clock"
)

type document struct {
	Products []Product `json:"products"`
}

// Store is the in-memory catalogue.
type Store struct {
	// RefreshAlways makes every Page read the catalogue document again.
	RefreshAlways atomic.Bool

	current atomic.Pointer[[]Product]

	mu     sync.Mutex // guards source and its parsing
	source []byte
	pages  int
}

// NewStore returns a store of the given number of pages.
func NewStore(pages int) *Store {
	s := new(Store)
	s.SetPages(pages)
	return s
}

// Pages returns the size of the catalogue document.
func (s *Store) Pages() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

// SetPages replaces the catalogue by one of n pages.
func (s *Store) SetPages(n int) {
	products := Products(n * PageSize)
	source, err := json.Marshal(document{Products: products})
	if err != nil {
		panic(err) // plain structs always encode
	}
	s.mu.Lock()
	s.source = source
	s.pages = n
	s.current.Store(&products)
	s.mu.Unlock()
}

// Reload parses the catalogue document and makes it current.
func (s *Store) Reload(rc *clock.Request) error {
	asked := time.Now()
	s.mu.Lock()
	locked := time.Now()
	var doc document
	err := json.Unmarshal(s.source, &doc)
	if err == nil {
		s.current.Store(&doc.Products)
	}
	done := time.Now()
	s.mu.Unlock()
	rc.LockWait += locked.Sub(asked)
	rc.LockHeld += done.Sub(locked)
	if err != nil {
		return fmt.Errorf("catalogue document: %w", err)
	}
	return nil
}

// Page returns page number n in the given order ("price", "rating" or "name").
func (s *Store) Page(rc *clock.Request, n int, order string) ([]Entry, error) {
	if s.RefreshAlways.Load() {
		if err := s.Reload(rc); err != nil {
			return nil, err
		}
	}
	products := *s.current.Load()
	return arrange(products, n, order), nil
}
