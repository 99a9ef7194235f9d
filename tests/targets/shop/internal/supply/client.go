package supply

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/shop/internal/clock"
)

// ErrNoSuppliers is returned when no supplier was configured.
var ErrNoSuppliers = errors.New("no suppliers configured")

// Client asks a supplier.
type Client struct {
	// Attempts is how often a question is put at most, if nobody can answer.
	Attempts atomic.Int64
	// Pause is the time before it is put again, in nanoseconds; it doubles
	// with each attempt.
	Pause atomic.Int64

	conn *grpc.ClientConn // nil without a supplier
}

// NewClient returns a client without a supplier.
func NewClient(attempts int, pause time.Duration) *Client {
	c := new(Client)
	c.Attempts.Store(int64(attempts))
	c.Pause.Store(int64(pause))
	return c
}

// Dial names the supplier. To be called before the first question.
func (c *Client) Dial(address string) (err error) {
	c.conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// Pieces returns how many pieces of an item the supplier has.
func (c *Client) Pieces(ctx context.Context, rc *clock.Request, item int) (int, error) {
	if c.conn == nil {
		return 0, ErrNoSuppliers
	}
	pause := time.Duration(c.Pause.Load())
	for left := c.Attempts.Load() - 1; ; left-- {
		n, err := c.ask(ctx, rc, item)
		if status.Code(err) != codes.Unavailable || left <= 0 {
			return n, err
		}
		if err := rest(ctx, rc, pause); err != nil {
			return 0, err
		}
		pause *= 2
	}
}

// ask puts the question once.
func (c *Client) ask(ctx context.Context, rc *clock.Request, item int) (int, error) {
	asked := time.Now()
	answer := new(wrapperspb.Int64Value)
	err := c.conn.Invoke(ctx, Method, wrapperspb.Int64(int64(item)), answer)
	rc.Supplier += time.Since(asked)
	if err != nil {
		return 0, fmt.Errorf("pieces of item %d: %w", item, err)
	}
	return int(answer.Value), nil
}

// rest waits before the next attempt.
func rest(ctx context.Context, rc *clock.Request, pause time.Duration) error {
	began := time.Now()
	defer func() { rc.Pause += time.Since(began) }()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close gives up the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
