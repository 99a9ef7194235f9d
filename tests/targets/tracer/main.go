// Tracer does every kind of waiting that an execution trace tells apart, writes the trace of it, and prints
// what its own clock says about some of it, as JSON.
//
//	tracer -o FILE [-for 1s] [-scale 1] [-cpu]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"time"
)

// Truth is what the program itself knows of its waits.
type Truth struct {
	// Waits for the lock that holdLock holds, by the waiters' clocks.
	LockWaits     int   `json:"lock_waits"`
	LockWaitNanos int64 `json:"lock_wait_nanos"`
	// Receives that a slow sender ends.
	ChanWaits     int   `json:"chan_waits"`
	ChanWaitNanos int64 `json:"chan_wait_nanos"`
	// Reads of a pipe that has nothing yet.
	PipeReads     int   `json:"pipe_reads"`
	PipeReadNanos int64 `json:"pipe_read_nanos"`
	// Answers awaited over loopback.
	NetReads     int   `json:"net_reads"`
	NetReadNanos int64 `json:"net_read_nanos"`
	Sleeps       int   `json:"sleeps"`
	SleepNanos   int64 `json:"sleep_nanos"`
	// Tasks ended, regions ended, forced stops of the world.
	Tasks   int `json:"tasks"`
	Regions int `json:"regions"`
	Stops   int `json:"stops"`
	// Wall clock just before the trace was started and just after it was stopped.
	BeginUnixNanos int64 `json:"begin_unix_nanos"`
	EndUnixNanos   int64 `json:"end_unix_nanos"`
	// Goroutines of shortLived that ended.
	Short int `json:"short"`
}

var (
	truthLock sync.Mutex
	truth     Truth
)

func note(change func(t *Truth)) {
	truthLock.Lock()
	defer truthLock.Unlock()
	change(&truth)
}

func main() {
	out := flag.String("o", "trace.out", "file to write the trace to")
	length := flag.Duration("for", time.Second, "how long to trace")
	scale := flag.Int("scale", 1, "how many of each kind of worker")
	cpu := flag.Bool("cpu", false, "take a CPU profile meanwhile, so that the trace has samples")
	flag.Parse()
	file, err := os.Create(*out)
	if err != nil {
		fail(err)
	}
	if *cpu {
		sink, err := os.Create(os.DevNull)
		if err == nil {
			err = pprof.StartCPUProfile(sink)
		}
		if err != nil {
			fail(err)
		}
	}
	truth.BeginUnixNanos = time.Now().UnixNano()
	if err := trace.Start(file); err != nil {
		fail(err)
	}
	work(*length, *scale)
	trace.Stop()
	truth.EndUnixNanos = time.Now().UnixNano()
	if *cpu {
		pprof.StopCPUProfile()
	}
	if err := file.Close(); err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(truth); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tracer:", err)
	os.Exit(1)
}

// work runs every worker until the time is over and waits for them.
func work(length time.Duration, scale int) {
	end := make(chan struct{})
	var running sync.WaitGroup
	kinds := []func(end <-chan struct{}){locks, channels, network, pipes, files, sleeps, burn, allocate, tasks, stops}
	if scale > 1 {
		kinds = append(kinds, shortLived, pingPong)
	}
	for i := 0; i < scale; i++ {
		for _, kind := range kinds {
			running.Add(1)
			go func() {
				defer running.Done()
				kind(end)
			}()
		}
	}
	time.Sleep(length)
	close(end)
	running.Wait()
}

func over(end <-chan struct{}) bool {
	select {
	case <-end:
		return true
	default:
		return false
	}
}

// stops stops the world.
func stops(end <-chan struct{}) {
	for !over(end) {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		note(func(t *Truth) { t.Stops++ })
		time.Sleep(50 * time.Millisecond)
	}
}
