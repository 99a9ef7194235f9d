// Package orders takes orders and has them booked by a pool of workers.
package orders

import (
	"sync"
	"sync/atomic"
	"time"

	"example.com/shop/internal/clock"
)

type job struct {
	order Order
	done  chan Booking
}

// Booking is what the payment provider answers.
type Booking struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
}

// Pool is a set of workers that each talk to the payment provider.
type Pool struct {
	// JobTime is how long a booking takes, in nanoseconds.
	JobTime atomic.Int64

	jobs    chan job
	number  atomic.Int64
	running sync.WaitGroup

	mu   sync.Mutex // guards size and stop
	size int
	stop chan struct{} // closed when the present workers shall end
}

// NewPool starts a pool of size workers. A booking takes jobTime.
func NewPool(size int, jobTime time.Duration) *Pool {
	p := &Pool{jobs: make(chan job)}
	p.JobTime.Store(int64(jobTime))
	p.Resize(size)
	return p
}

// Size returns the number of workers asked for last.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// Resize starts n workers in place of the present ones, which finish the job
// they have and end.
func (p *Pool) Resize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == p.size {
		return
	}
	if p.stop != nil {
		close(p.stop)
	}
	p.stop = make(chan struct{})
	p.size = n
	p.running.Add(n)
	for range n {
		go p.work(p.stop)
	}
}

// Close ends the workers and waits for them. No Submit may be under way.
func (p *Pool) Close() {
	p.Resize(0)
	p.running.Wait()
}

func (p *Pool) work(stop <-chan struct{}) {
	defer p.running.Done()
	for {
		select {
		case <-stop: // goes before any job that is waiting
			return
		default:
		}
		select {
		case <-stop:
			return
		case j := <-p.jobs:
			j.done <- p.book(j.order)
		}
	}
}

// book stands for the call to the payment provider.
func (p *Pool) book(Order) Booking {
	time.Sleep(time.Duration(p.JobTime.Load()))
	return Booking{Number: p.number.Add(1), At: time.Now().UTC()}
}

// Submit hands the order to a worker and waits for its answer.
func (p *Pool) Submit(rc *clock.Request, o Order) Booking {
	j := job{order: o, done: make(chan Booking, 1)}
	asked := time.Now()
	p.jobs <- j
	accepted := time.Now()
	b := <-j.done
	rc.PoolWait += accepted.Sub(asked)
	rc.PoolWork += time.Since(accepted)
	return b
}
