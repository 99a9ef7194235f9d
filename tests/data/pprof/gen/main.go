// Command profiled makes the profiles of this folder's parent: a program with CPU work, a contended lock,
// waiting goroutines with labels and live memory, and two CPU and mutex profiles of it.
//
//	go run . ..
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type store struct {
	mu   sync.Mutex
	text string
	rows []map[string]any
}

// parse holds the lock while it works: the holder that waiting requests are blamed on.
func (s *store) parse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []map[string]any
	if err := json.Unmarshal([]byte(s.text), &rows); err != nil {
		log.Fatal(err)
	}
	s.rows = rows
}

// depth is recursive, so that cumulative values differ from a plain sum over frames.
func depth(n int) int {
	if n == 0 {
		sum := 0
		for i := range 2_000_000 {
			sum += i * i
		}
		return sum
	}
	return depth(n-1) + 1
}

func work(s *store, length time.Duration) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for end := time.Now().Add(length); time.Now().Before(end); {
				s.parse()
				depth(5)
			}
		})
	}
	all.Wait()
}

func write(dir, name string, profile *pprof.Profile) {
	file, err := os.Create(filepath.Join(dir, name))
	if err == nil {
		err = profile.WriteTo(file, 0)
	}
	if err != nil {
		log.Fatal(err)
	}
	file.Close()
}

func cpu(dir, name string, s *store) {
	file, err := os.Create(filepath.Join(dir, name))
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		log.Fatal(err)
	}
	work(s, time.Second)
	pprof.StopCPUProfile()
	file.Close()
}

func main() {
	dir := os.Args[1]
	runtime.SetMutexProfileFraction(1)
	runtime.MemProfileRate = 4096
	s := &store{text: "[" + strings.Repeat(`{"name":"tea","price":4.5,"tags":["a","b"]},`, 200) + "{}]"}
	block := make(chan int)
	for range 7 {
		go pprof.Do(context.Background(), pprof.Labels("endpoint", "/products"), func(context.Context) { <-block })
	}
	cpu(dir, "cpu-1.pb.gz", s)
	write(dir, "mutex-1.pb.gz", pprof.Lookup("mutex"))
	cpu(dir, "cpu-2.pb.gz", s)
	write(dir, "mutex-2.pb.gz", pprof.Lookup("mutex"))
	write(dir, "goroutine.pb.gz", pprof.Lookup("goroutine"))
	runtime.GC()
	write(dir, "heap.pb.gz", pprof.Lookup("heap"))
	runtime.KeepAlive(s)
}
