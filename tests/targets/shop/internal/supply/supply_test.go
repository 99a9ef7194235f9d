package supply

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/shop/internal/clock"
)

// start runs a supplier and a client of it.
func start(t *testing.T, attempts int, pause time.Duration) (*Server, *Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, client := new(Server), NewClient(attempts, pause)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := client.Dial(listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		_ = listener.Close()
		<-ended
		server.Close()
	})
	return server, client
}

// together puts n questions at once and returns how long the last one took.
func together(t *testing.T, c *Client, n int) time.Duration {
	t.Helper()
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			rc := clock.Start()
			if got, err := c.Pieces(t.Context(), &rc, i); err != nil || got != i*31%97 {
				t.Errorf("item %d: %d, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// The limit holds for connections that were there before it, too.
func TestStreamsOfAConnection(t *testing.T) {
	const work, questions = 20 * time.Millisecond, 8
	server, client := start(t, 1, 0)
	server.WorkTime.Store(int64(work))
	together(t, client, 1)
	if took := together(t, client, questions); took > 3*work {
		t.Errorf("%d questions took %s", questions, took)
	}
	server.SetStreams(2)
	// The client hears of it by a message that it need not have read yet.
	time.Sleep(5 * work)
	if took := together(t, client, questions); took < 4*work || took > 8*work {
		t.Errorf("%d questions, two at a time, took %s", questions, took)
	}
	server.SetStreams(0)
	time.Sleep(5 * work)
	if took := together(t, client, questions); took > 3*work {
		t.Errorf("%d questions without a limit again took %s", questions, took)
	}
}

// No question is lost while the limit changes.
func TestStreamsChangeUnderWay(t *testing.T) {
	server, client := start(t, 1, 0)
	server.WorkTime.Store(int64(time.Millisecond))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				together(t, client, 4)
			}
		})
	}
	for n := range 10 {
		server.SetStreams(n % 3)
		time.Sleep(20 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
}

func TestAttempts(t *testing.T) {
	const pause = 10 * time.Millisecond
	server, client := start(t, 3, pause)
	rc := clock.Start()
	if _, err := client.Pieces(t.Context(), &rc, 5); err != nil || rc.Pause != 0 || rc.Supplier <= 0 {
		t.Fatalf("%v after %+v", err, rc)
	}
	var asked atomic.Int64
	server.Finished = func(*clock.Request, error) { asked.Add(1) }
	server.Recount.Store(1)
	_, err := client.Pieces(t.Context(), &rc, 5)
	if status.Code(err) != codes.Unavailable || asked.Load() != 3 {
		t.Errorf("%v after %d attempts", err, asked.Load())
	}
	if rc.Pause < 3*pause || rc.Pause > 6*pause {
		t.Errorf("paused %s", rc.Pause)
	}
	ctx, cancel := context.WithTimeout(t.Context(), pause/2)
	defer cancel()
	if _, err := client.Pieces(ctx, &rc, 5); err == nil || asked.Load() > 4 {
		t.Errorf("%v after %d attempts and nobody waiting", err, asked.Load()-3)
	}
}
