package search

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/shop/internal/clock"
)

// History knows how visitors came to what they found.
type History struct {
	// Steps is how many steps of each search are noted; 0 notes none.
	Steps atomic.Int64

	mu     sync.Mutex
	trails map[int]*step // by number of the search
}

// step is one thing a visitor looked at on the way.
type step struct {
	word *string
	hit  *Hit
	next *step
}

// NewHistory returns an empty history.
func NewHistory() *History {
	return &History{trails: make(map[int]*step)}
}

// Add notes a search and what it found.
func (h *History) Add(rc *clock.Request, query string, hits []Hit) {
	steps := int(h.Steps.Load())
	if steps == 0 {
		return
	}
	first := trail(strings.Fields(query), hits, steps)
	asked := time.Now()
	h.mu.Lock()
	locked := time.Now()
	h.trails[len(h.trails)] = first
	done := time.Now()
	h.mu.Unlock()
	rc.LockWait += locked.Sub(asked)
	rc.LockHeld += done.Sub(locked)
}

// Len is the number of searches noted.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.trails)
}

// trail goes through the hits again and again until it has n steps.
func trail(words []string, hits []Hit, n int) *step {
	var first *step
	for i := range n {
		s := &step{next: first}
		if len(words) > 0 {
			word := words[i%len(words)]
			s.word = &word
		}
		if len(hits) > 0 {
			hit := hits[i%len(hits)]
			s.hit = &hit
		}
		first = s
	}
	return first
}
