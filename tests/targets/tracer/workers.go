package main

import (
	"context"
	"io"
	"net"
	"os"
	"runtime/trace"
	"sync"
	"syscall"
	"time"
)

const hold = 20 * time.Millisecond

// locks has one goroutine hold a lock that another one wants.
func locks(end <-chan struct{}) {
	for !over(end) {
		var lock sync.Mutex
		held, done := make(chan struct{}), make(chan struct{})
		go holdLock(&lock, held, done)
		<-held
		wantLock(&lock)
		<-done
	}
}

//go:noinline
func holdLock(lock *sync.Mutex, held, done chan<- struct{}) {
	lock.Lock()
	held <- struct{}{}
	time.Sleep(hold)
	lock.Unlock()
	close(done)
}

//go:noinline
func wantLock(lock *sync.Mutex) {
	begin := time.Now()
	lock.Lock()
	waited := time.Since(begin)
	lock.Unlock()
	note(func(t *Truth) { t.LockWaits++; t.LockWaitNanos += waited.Nanoseconds() })
}

// channels receives what a slow sender sends.
func channels(end <-chan struct{}) {
	values := make(chan int)
	go sendSlowly(values, end)
	for receive(values) {
	}
}

//go:noinline
func sendSlowly(values chan<- int, end <-chan struct{}) {
	defer close(values)
	for !over(end) {
		time.Sleep(5 * time.Millisecond)
		values <- 1
	}
}

//go:noinline
func receive(values <-chan int) bool {
	begin := time.Now()
	_, ok := <-values
	waited := time.Since(begin)
	note(func(t *Truth) { t.ChanWaits++; t.ChanWaitNanos += waited.Nanoseconds() })
	return ok
}

// network makes round trips on loopback to a peer that takes its time.
func network(end <-chan struct{}) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go answerSlowly(listener)
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fail(err)
	}
	for !over(end) {
		if _, err := conn.Write([]byte{1}); err != nil {
			fail(err)
		}
		awaitAnswer(conn)
	}
	conn.Close()
	listener.Close()
}

func answerSlowly(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	answer := make([]byte, 1)
	for {
		if _, err := conn.Read(answer); err != nil {
			return
		}
		time.Sleep(3 * time.Millisecond)
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

//go:noinline
func awaitAnswer(conn net.Conn) {
	begin := time.Now()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		fail(err)
	}
	waited := time.Since(begin)
	note(func(t *Truth) { t.NetReads++; t.NetReadNanos += waited.Nanoseconds() })
}

// pipes reads, in blocking system calls, what is written late.
func pipes(end <-chan struct{}) {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		fail(err)
	}
	for !over(end) {
		go func() {
			time.Sleep(4 * time.Millisecond)
			syscall.Write(fds[1], []byte{1})
		}()
		readPipe(fds[0])
	}
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

//go:noinline
func readPipe(fd int) {
	begin := time.Now()
	if _, err := syscall.Read(fd, make([]byte, 1)); err != nil {
		fail(err)
	}
	waited := time.Since(begin)
	note(func(t *Truth) { t.PipeReads++; t.PipeReadNanos += waited.Nanoseconds() })
}

// files makes short system calls.
func files(end <-chan struct{}) {
	buffer := make([]byte, 1<<16)
	for !over(end) {
		file, err := os.Open("/proc/self/maps")
		if err != nil {
			fail(err)
		}
		io.CopyBuffer(io.Discard, file, buffer)
		file.Close()
		time.Sleep(time.Millisecond)
	}
}

func sleeps(end <-chan struct{}) {
	for !over(end) {
		begin := time.Now()
		time.Sleep(7 * time.Millisecond)
		slept := time.Since(begin)
		note(func(t *Truth) { t.Sleeps++; t.SleepNanos += slept.Nanoseconds() })
	}
}

var sink [][]byte

// allocate makes garbage fast enough that the collector asks for help.
func allocate(end <-chan struct{}) {
	for !over(end) {
		kept := make([][]byte, 0, 2000)
		for i := 0; i < 2000; i++ {
			kept = append(kept, make([]byte, 4096))
		}
		sink = kept
		time.Sleep(2 * time.Millisecond)
	}
}

func burn(end <-chan struct{}) {
	for x := 1; !over(end); x++ {
		spin(200 * time.Microsecond)
		if x%8 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

//go:noinline
func spin(length time.Duration) {
	for begin := time.Now(); time.Since(begin) < length; {
	}
}

// tasks names what it does.
func tasks(end <-chan struct{}) {
	for !over(end) {
		ctx, task := trace.NewTask(context.Background(), "order")
		trace.WithRegion(ctx, "price", func() { spin(300 * time.Microsecond) })
		trace.WithRegion(ctx, "ship", func() { time.Sleep(2 * time.Millisecond) })
		trace.Log(ctx, "state", "shipped")
		task.End()
		note(func(t *Truth) { t.Tasks++; t.Regions += 2 })
	}
}

// shortLived starts goroutines that end at once.
func shortLived(end <-chan struct{}) {
	for !over(end) {
		var batch sync.WaitGroup
		for i := 0; i < 50; i++ {
			batch.Add(1)
			go func() { batch.Done() }()
		}
		batch.Wait()
		note(func(t *Truth) { t.Short += 50 })
	}
}

// pingPong hands a value to and fro as fast as it can.
func pingPong(end <-chan struct{}) {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v
		}
	}()
	for !over(end) {
		there <- 1
		<-back
	}
	close(there)
}
