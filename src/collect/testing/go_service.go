// A small service with net/http/pprof, for the tests of the collectors.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"runtime"
	"sync"
	"time"
)

var counter sync.Mutex

func contend() {
	for {
		counter.Lock()
		time.Sleep(200 * time.Microsecond)
		counter.Unlock()
	}
}

func main() {
	mutex := flag.Int("mutex", 0, "mutex profile fraction")
	block := flag.Int("block", 0, "block profile rate")
	workers := flag.Int("workers", 0, "goroutines that contend for a lock")
	flag.Parse()
	runtime.SetMutexProfileFraction(*mutex)
	runtime.SetBlockProfileRate(*block)
	for range *workers {
		go contend()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, nil))
}
