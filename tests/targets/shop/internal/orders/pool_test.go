package orders

import (
	"sync"
	"testing"
	"time"

	"example.com/shop/internal/clock"
)

func TestResizeUnderLoad(t *testing.T) {
	p := NewPool(16, 200*time.Microsecond)
	var wg sync.WaitGroup
	const clients, each = 20, 50
	for range clients {
		wg.Go(func() {
			for range each {
				rc := clock.Start()
				if b := p.Submit(&rc, Order{}); b.Number == 0 {
					t.Error("no booking")
				}
			}
		})
	}
	for _, n := range []int{3, 1, 40, 2, 16} {
		p.Resize(n)
		if p.Size() != n {
			t.Errorf("size %d, want %d", p.Size(), n)
		}
		time.Sleep(3 * time.Millisecond)
	}
	wg.Wait()
	p.Close()
	if got := p.number.Load(); got != clients*each {
		t.Errorf("%d bookings, want %d", got, clients*each)
	}
}

func TestSizeLimitsBookings(t *testing.T) {
	const job = 2 * time.Millisecond
	p := NewPool(8, job)
	p.Resize(2)
	start := time.Now()
	var waited time.Duration
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			rc := clock.Start()
			p.Submit(&rc, Order{})
			mu.Lock()
			waited += rc.PoolWait
			mu.Unlock()
			if rc.PoolWait+rc.PoolWork < job {
				t.Errorf("waited %s and worked %s for a job", rc.PoolWait, rc.PoolWork)
			}
		})
	}
	wg.Wait()
	p.Close()
	if took := time.Since(start); took < 8*job {
		t.Errorf("20 orders took %s with 2 workers", took)
	}
	if waited < 40*job {
		t.Errorf("orders waited %s in all", waited)
	}
}

func TestReceipt(t *testing.T) {
	o := Order{Customer: "c", Lines: []Line{{Name: "oak table", Count: 2, Cents: 300}, {Count: 1, Cents: 50}}}
	r, err := NewReceipt(o, Booking{Number: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Total != 650 || len(r.Signature) != 64 {
		t.Errorf("receipt %+v", r)
	}
}
