// Package clock keeps the shop's own account of where request time goes.
package clock

import (
	"sync/atomic"
	"syscall"
	"time"
)

// Request holds the wall time one request spent in each place. It belongs to
// the goroutine that serves the request, so it needs no locking.
type Request struct {
	start      time.Time
	LockWait   time.Duration
	LockHeld   time.Duration
	PoolWait   time.Duration
	PoolWork   time.Duration
	Downstream time.Duration
	Database   time.Duration
	Cache      time.Duration
	Supplier   time.Duration
	Pause      time.Duration
	Log        time.Duration
}

// Start opens the account of one request.
func Start() Request {
	return Request{start: time.Now()}
}

// SoFar returns the time since the start.
func (r *Request) SoFar() time.Duration {
	return time.Since(r.start)
}

// Route sums the finished requests of one route since the process started.
type Route struct {
	requests   atomic.Int64
	total      atomic.Int64
	lockWait   atomic.Int64
	lockHeld   atomic.Int64
	poolWait   atomic.Int64
	poolWork   atomic.Int64
	downstream atomic.Int64
	database   atomic.Int64
	cache      atomic.Int64
	supplier   atomic.Int64
	pause      atomic.Int64
	log        atomic.Int64
	rest       atomic.Int64
}

// Finish closes the account of r, adds it to the route and returns the total.
func (rt *Route) Finish(r *Request) time.Duration {
	total := r.SoFar()
	rest := total - r.LockWait - r.LockHeld - r.PoolWait - r.PoolWork - r.Downstream - r.Database - r.Cache -
		r.Supplier - r.Pause - r.Log
	rt.requests.Add(1)
	rt.total.Add(int64(total))
	rt.lockWait.Add(int64(r.LockWait))
	rt.lockHeld.Add(int64(r.LockHeld))
	rt.poolWait.Add(int64(r.PoolWait))
	rt.poolWork.Add(int64(r.PoolWork))
	rt.downstream.Add(int64(r.Downstream))
	rt.database.Add(int64(r.Database))
	rt.cache.Add(int64(r.Cache))
	rt.supplier.Add(int64(r.Supplier))
	rt.pause.Add(int64(r.Pause))
	rt.log.Add(int64(r.Log))
	rt.rest.Add(int64(rest))
	return total
}

// Totals is a reading of one Route.
type Totals struct {
	Requests   int64 `json:"requests"`
	Total      int64 `json:"total_ns"`
	LockWait   int64 `json:"lock_wait_ns"`
	LockHeld   int64 `json:"lock_held_ns"`
	PoolWait   int64 `json:"pool_wait_ns"`
	PoolWork   int64 `json:"pool_work_ns"`
	Downstream int64 `json:"downstream_ns"`
	Database   int64 `json:"database_ns"`
	Cache      int64 `json:"cache_ns"`
	Supplier   int64 `json:"supplier_ns"`
	Pause      int64 `json:"pause_ns"`
	Log        int64 `json:"log_ns"`
	Rest       int64 `json:"rest_ns"`
}

// Totals reads the route. Requests that finish during the call may be counted
// in some of the fields only.
func (rt *Route) Totals() Totals {
	return Totals{
		Requests:   rt.requests.Load(),
		Total:      rt.total.Load(),
		LockWait:   rt.lockWait.Load(),
		LockHeld:   rt.lockHeld.Load(),
		PoolWait:   rt.poolWait.Load(),
		PoolWork:   rt.poolWork.Load(),
		Downstream: rt.downstream.Load(),
		Database:   rt.database.Load(),
		Cache:      rt.cache.Load(),
		Supplier:   rt.supplier.Load(),
		Pause:      rt.pause.Load(),
		Log:        rt.log.Load(),
		Rest:       rt.rest.Load(),
	}
}

// Book has one Route for every path of the service.
type Book struct {
	routes map[string]*Route
}

// NewBook returns an empty book.
func NewBook() *Book {
	return &Book{routes: make(map[string]*Route)}
}

// Route adds a path to the book. All paths are added before serving starts.
func (b *Book) Route(path string) *Route {
	rt := new(Route)
	b.routes[path] = rt
	return rt
}

// Reading is the answer of /clocks.
type Reading struct {
	At         int64             `json:"at_unix_nano"`
	ProcessCPU int64             `json:"process_cpu_ns"`
	Routes     map[string]Totals `json:"routes"`
}

// Read returns the sums of all routes and the CPU time of the process.
func (b *Book) Read() Reading {
	r := Reading{
		At:         time.Now().UnixNano(),
		ProcessCPU: processCPU(),
		Routes:     make(map[string]Totals, len(b.routes)),
	}
	for path, rt := range b.routes {
		r.Routes[path] = rt.Totals()
	}
	return r
}

func processCPU() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
