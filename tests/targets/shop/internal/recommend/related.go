package recommend

import (
	"sync/atomic"
	"time"

	"example.com/shop/internal/catalogue"
)

const relatedItems = 16

// Item is a product that goes with another one.
type Item struct {
	ID     int     `json:"id"`
	Name   string  `json:"name"`
	Cents  int     `json:"cents"`
	Weight float64 `json:"weight"`
}

// Related knows which products go together.
type Related struct {
	// Delay is how long List waits before it answers, in nanoseconds.
	Delay atomic.Int64

	products []catalogue.Product
}

// NewRelated returns the relations between the products.
func NewRelated(products []catalogue.Product) *Related {
	return &Related{products: products}
}

// List returns the products that go with the given one.
func (r *Related) List(id int) []Item {
	if d := time.Duration(r.Delay.Load()); d > 0 {
		time.Sleep(d)
	}
	items := make([]Item, relatedItems)
	for i := range items {
		p := &r.products[(id*7+i*31)%len(r.products)]
		items[i] = Item{ID: p.ID, Name: p.Name, Cents: p.Cents, Weight: 1 / float64(i+1)}
	}
	return items
}
