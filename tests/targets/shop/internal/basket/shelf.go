// Package basket keeps visitors' baskets in Redis.
package basket

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/shop/internal/clock"
)

const (
	// How long a basket is kept.
	lifetime = 30 * time.Minute
	// Baskets that are there at start.
	known = 30_000
)

// Shelf answers from Redis.
type Shelf struct {
	Census atomic.Bool // say how many visitors there are
	Redial atomic.Bool // a connection for every visit

	options *redis.Options
	client  *redis.Client
}

// Open connects and puts baskets there.
func Open(ctx context.Context, url string) (*Shelf, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	s := &Shelf{options: options, client: redis.NewClient(options)}
	return s, s.fill(ctx)
}

func (s *Shelf) fill(ctx context.Context) error {
	const batch = 1000
	for from := 0; from < known; from += batch {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := from; i < from+batch; i++ {
				p.Set(ctx, key(i), 1, lifetime)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("filling the shelf: %w", err)
		}
	}
	return nil
}

func key(visitor int) string {
	return "basket:" + strconv.Itoa(visitor)
}

// Visit counts a visit and returns how many there were, and how many visitors
// there are if Census is set.
func (s *Shelf) Visit(ctx context.Context, rc *clock.Request, visitor int) (visits, visitors int, err error) {
	asked := time.Now()
	defer func() { rc.Cache += time.Since(asked) }()
	client := s.client
	if s.Redial.Load() {
		client = redis.NewClient(s.options)
		defer client.Close()
	}
	visits, err = client.Get(ctx, key(visitor)).Int()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, 0, err
	}
	visits++
	if err := client.Set(ctx, key(visitor), visits, lifetime).Err(); err != nil {
		return 0, 0, err
	}
	if s.Census.Load() {
		names, err := client.Keys(ctx, "basket:*").Result()
		return visits, len(names), err
	}
	return visits, 0, nil
}

// Close gives up the connections.
func (s *Shelf) Close() error {
	return s.client.Close()
}
