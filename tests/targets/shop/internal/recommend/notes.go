package recommend

import (
	"context"
	"sync"
	"time"

	"example.com/shop/internal/clock"
)

// mostNotes is how many answers are remembered before all are forgotten.
const mostNotes = 4096

// notes remembers what the downstream said last about each product.
type notes struct {
	mu     sync.Mutex
	byItem map[int][]Item
}

// renew asks the downstream and enters its answer, so that the notes never go
// back to an older one.
func (c *Client) renew(ctx context.Context, rc *clock.Request, id int) ([]Item, error) {
	asked := time.Now()
	c.notes.mu.Lock()
	locked := time.Now()
	before := rc.Downstream
	items, err := c.ask(ctx, rc, id)
	if err == nil {
		if len(c.notes.byItem) >= mostNotes {
			clear(c.notes.byItem)
		}
		c.notes.byItem[id] = items
	}
	done := time.Now()
	c.notes.mu.Unlock()
	rc.LockWait += locked.Sub(asked)
	rc.LockHeld += done.Sub(locked) - (rc.Downstream - before)
	return items, err
}
