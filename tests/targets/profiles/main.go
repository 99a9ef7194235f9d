// Command profiles writes one profile of every kind that a Go process has, and a second one of those that
// count from the start of the process.
//
//	go run . FOLDER
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kept is what the heap profile finds in use, handles what the custom profile holds.
var (
	kept    [][]byte
	handles = pprof.NewProfile("handles")
	sink    int
)

// fib recurses, so that cumulative values differ from a plain sum over frames.
//
//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// square is small enough to be inlined into its callers.
func square(n int) int { return n*n + n%7 }

//go:noinline
func squares(n int) int {
	sum := 0
	for i := range n {
		sum += square(i)
	}
	return sum
}

//go:noinline
func text(n int) string {
	words := make([]string, 0, n)
	for i := range n {
		words = append(words, strconv.Itoa(i*7919%n))
	}
	sort.Strings(words)
	return strings.Join(words, ",")
}

type store struct {
	mu   sync.Mutex
	rows map[int]string
}

// reload holds the lock while it works: the holder that others wait for.
func (s *store) reload(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[n%16] = text(n)
}

func (s *store) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

func (s *store) serve(endpoint string, n int) {
	labels := pprof.Labels("endpoint", endpoint, "trace", strconv.Itoa(n%5))
	pprof.Do(context.Background(), labels, func(context.Context) {
		switch endpoint {
		case "/fib":
			sink += fib(24)
		case "/squares":
			sink += squares(200_000)
		default:
			s.reload(3_000 + n)
		}
		sink += s.size()
	})
}

// load serves for a while, and on a busy machine for longer: a CPU profile needs work, not time.
func (s *store) load(length time.Duration) {
	var all sync.WaitGroup
	for _, endpoint := range []string{"/fib", "/squares", "/reload", "/reload"} {
		all.Go(func() {
			for n, end := 0, time.Now().Add(length); n < 300 || time.Now().Before(end); n++ {
				s.serve(endpoint, n)
			}
		})
	}
	all.Wait()
}

// keep allocates blocks of several sizes at one place: samples that only a numeric label tells apart.
//
//go:noinline
func keep(sizes ...int) {
	for _, size := range sizes {
		kept = append(kept, make([]byte, size))
	}
}

func write(path string, profile *pprof.Profile) {
	file, err := os.Create(path)
	if err == nil {
		err = profile.WriteTo(file, 0)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func cpu(path string, s *store, length time.Duration) {
	file, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		log.Fatal(err)
	}
	s.load(length)
	pprof.StopCPUProfile()
	file.Close()
}

// wait leaves goroutines that wait under a label.
func wait(count int) {
	var ready sync.WaitGroup
	never := make(chan int)
	for range count {
		ready.Add(1)
		go pprof.Do(context.Background(), pprof.Labels("endpoint", "/wait"), func(context.Context) {
			ready.Done()
			<-never
		})
	}
	ready.Wait()
}

func main() {
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	dir := os.Args[1]
	s := &store{rows: map[int]string{}}
	wait(7)
	for _, round := range []string{"1", "2"} {
		for i := range 20 {
			keep(100, 5_000, 70_000)
			handles.Add(&kept[len(kept)-1], i%2)
		}
		cpu(filepath.Join(dir, "cpu-"+round+".pb.gz"), s, 1500*time.Millisecond)
		runtime.GC()
		for _, kind := range []string{"heap", "allocs", "goroutine", "mutex", "block", "threadcreate", "handles"} {
			write(filepath.Join(dir, kind+"-"+round+".pb.gz"), pprof.Lookup(kind))
		}
	}
}
