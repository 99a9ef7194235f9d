// A service whose handler burns a known time on a CPU, and what asks it. `serve` profiles itself and says what its handlers took
// by their threads' own clocks, and what the kernel counted for the process.
package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var took atomic.Int64

// Clock of the kernel for one thread, include/uapi/linux/time.h.
const threadCPU = 3

func threadTime() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadCPU, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func processTime() int64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

//go:noinline
func handle(length time.Duration, call func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	for begun := time.Now(); time.Since(begun) < length; {
		call()
	}
	took.Add(threadTime() - before)
}

func main() {
	if os.Args[1] == "load" {
		load(os.Args[2], number(os.Args[3]), seconds(os.Args[4]))
		return
	}
	length, call := time.Duration(number(os.Args[2]))*time.Microsecond, calls(os.Args[3])
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		handle(length, call)
		io.WriteString(w, "done")
	})
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go http.Serve(listener, nil)
	json.NewEncoder(os.Stdout).Encode(listener.Addr().String())
	time.Sleep(time.Second)
	file := must(os.Create(os.Args[4]))
	pprof.StartCPUProfile(file)
	handlers, process := took.Load(), processTime()
	time.Sleep(seconds(os.Args[5]))
	handlers, process = took.Load()-handlers, processTime()-process
	pprof.StopCPUProfile()
	file.Close()
	json.NewEncoder(os.Stdout).Encode(map[string]int64{"handlers": handlers, "process": process})
}

// What a handler does: compute, or call the kernel.
func calls(kind string) func() {
	if kind == "compute" {
		return func() {}
	}
	sink := must(net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	out := must(net.DialUDP("udp", nil, sink.LocalAddr().(*net.UDPAddr)))
	packet := make([]byte, 64)
	return func() { out.Write(packet) }
}

// Open model: requests come at random, whatever the answers take.
func load(address string, rate int, length time.Duration) {
	for next, end := time.Now(), time.Now().Add(length); next.Before(end); {
		next = next.Add(time.Duration(rand.ExpFloat64() / float64(rate) * float64(time.Second)))
		time.Sleep(time.Until(next))
		go func() {
			if answer, err := http.Get("http://" + address); err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}()
	}
}

func number(text string) int { return must(strconv.Atoi(text)) }

func seconds(text string) time.Duration { return time.Duration(number(text)) * time.Second }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
