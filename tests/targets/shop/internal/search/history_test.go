package search

import (
	"runtime"
	"testing"

	"example.com/shop/internal/catalogue"
	"example.com/shop/internal/clock"
)

// What is noted stays in memory, by the number of steps.
func TestHistoryGrowsBySteps(t *testing.T) {
	h, hits := NewHistory(), NewIndex(catalogue.Products(400), 50).Match("oak mug")
	rc := clock.Start()
	add := func(searches, steps int) (bytes int64) {
		h.Steps.Store(int64(steps))
		before := live()
		for range searches {
			h.Add(&rc, "oak mug", hits)
		}
		return live() - before
	}
	if grown := add(100, 0); h.Len() != 0 || grown > 100_000 {
		t.Errorf("%d searches, %d bytes without steps", h.Len(), grown)
	}
	ten, hundred := add(100, 100), add(100, 1000)
	if h.Len() != 200 || ten < 500_000 || hundred < 8*ten || hundred > 12*ten {
		t.Errorf("%d searches: %d, then %d bytes", h.Len(), ten, hundred)
	}
	if grown := add(100, 0); grown < -100_000 {
		t.Errorf("%d bytes forgotten", -grown)
	}
	runtime.KeepAlive(h)
}

// live is the size of the heap that is in use.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
