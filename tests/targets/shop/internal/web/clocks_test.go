package web

import (
	"runtime"
	"testing"
	"time"

	"example.com/shop/internal/clock"
	"example.com/shop/internal/supply"
)

// The parts of every route make up its total, and each setting shows in the
// part it belongs to.
func TestClocksAddUp(t *testing.T) {
	base, second := start(t)
	const clients, each = 6, 8
	set(t, base, "refresh=always&workers=2&compile=always&buffer=64KiB")
	set(t, second, "delay=3ms&work-time=2ms")
	begin := time.Now()
	before := clocks(t, base)
	for _, path := range paths {
		hammer(t, base+path, clients, each)
	}
	took := time.Since(begin).Nanoseconds()
	r := clocks(t, base)
	const n = clients * each
	for path, c := range r.Routes {
		if c.Requests != n {
			t.Errorf("%s: %d requests, want %d", path, c.Requests, n)
		}
		if got := sum(c); got != c.Total {
			t.Errorf("%s: parts %d, total %d", path, got, c.Total)
		}
		if c.Rest <= 0 || c.Total > clients*took {
			t.Errorf("%s: %+v", path, c)
		}
	}
	if c := r.Routes["/catalogue"]; c.LockHeld <= 0 || c.LockWait <= 0 || c.LockHeld > took {
		t.Errorf("catalogue %+v in %d ns", c, took)
	}
	if c := r.Routes["/order"]; c.PoolWait+c.PoolWork < 2*n*int64(jobTime) || c.PoolWait <= 0 {
		t.Errorf("order %+v", c)
	}
	if c := r.Routes["/recommend"]; c.Downstream < n*int64(3*time.Millisecond) {
		t.Errorf("recommend %+v", c)
	}
	if c := r.Routes["/availability"]; c.Supplier < n*int64(2*time.Millisecond) || c.Pause != 0 {
		t.Errorf("availability %+v", c)
	}
	if c := clocks(t, second).Routes[supply.Method]; c.Requests != n || c.Rest < n*int64(2*time.Millisecond) {
		t.Errorf("supplier %+v", c)
	}
	if r.ProcessCPU <= before.ProcessCPU || r.At <= before.At {
		t.Errorf("CPU %d then %d at %d then %d", before.ProcessCPU, r.ProcessCPU, before.At, r.At)
	}
}

// sum is all the parts of a total.
func sum(c clock.Totals) int64 {
	return c.LockWait + c.LockHeld + c.PoolWait + c.PoolWork + c.Downstream + c.Database + c.Cache +
		c.Supplier + c.Pause + c.Log + c.Rest
}

func TestSubscribe(t *testing.T) {
	base, _ := start(t)
	hammer(t, base+"/feed", 2, 10)
	before := runtime.NumGoroutine()
	set(t, base, "subscribe=always&followers=3")
	hammer(t, base+"/feed", 2, 20)
	if more := runtime.NumGoroutine() - before; more < 110 || more > 140 {
		t.Errorf("%d more goroutines after 40 requests", more)
	}
	set(t, base, "subscribe=never")
	before = runtime.NumGoroutine()
	hammer(t, base+"/feed", 2, 20)
	if more := runtime.NumGoroutine() - before; more > 15 {
		t.Errorf("%d more goroutines after subscribe=never", more)
	}
}

func TestResizeByAdmin(t *testing.T) {
	base, _ := start(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		hammer(t, base+"/order", 8, 12)
	}()
	for _, n := range []string{"3", "20", "1", "64"} {
		set(t, base, "workers="+n)
		time.Sleep(15 * time.Millisecond)
	}
	<-done
	if c := clocks(t, base).Routes["/order"]; c.Requests != 96 {
		t.Errorf("%d orders, want 96", c.Requests)
	}
}
