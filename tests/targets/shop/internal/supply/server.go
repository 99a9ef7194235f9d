// Package supply asks suppliers over gRPC how many pieces they have, and
// answers as one.
package supply

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/shop/internal/clock"
)

const (
	service = "supply.Supply"
	pieces  = "Pieces"
	// Method is the full name of what a supplier answers.
	Method = "/" + service + "/" + pieces
)

// errRecount says that somebody is counting the pieces at the moment.
var errRecount = status.Error(codes.Unavailable, "the pieces are being counted")

// Server is a supplier.
type Server struct {
	// WorkTime is how long it takes to look an item up, in nanoseconds.
	WorkTime atomic.Int64
	// Recount is one in how many questions meets a recount; 0 is none.
	Recount atomic.Int64
	// Finished hears of every question with its account. To be set before
	// Serve.
	Finished func(rc *clock.Request, err error)

	mu      sync.Mutex // guards what follows
	streams int
	door    *door // what new connections go to; nil before Serve
}

// Streams is the most questions at a time on a connection; 0 is no limit.
func (s *Server) Streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams
}

// SetStreams bounds the questions at a time on a connection. Connections that
// are there are told to go, so that their clients connect again.
func (s *Server) SetStreams(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == s.streams {
		return
	}
	s.streams = n
	if s.door != nil {
		go s.door.server.GracefulStop()
		s.open()
	}
}

// open makes the door for new connections. The caller holds mu.
func (s *Server) open() {
	var options []grpc.ServerOption
	if s.streams > 0 {
		options = append(options, grpc.MaxConcurrentStreams(uint32(s.streams)))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: pieces, Handler: s.answer}},
	}, nil)
	s.door = newDoor(server)
}

// Serve answers on the listener until it is closed.
func (s *Server) Serve(listener net.Listener) error {
	s.mu.Lock()
	s.open()
	s.mu.Unlock()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.door.enter(conn)
		s.mu.Unlock()
	}
}

// Close lets the questions under way finish.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.door != nil {
		s.door.server.GracefulStop()
	}
}

// answer is the method as gRPC calls it.
func (s *Server) answer(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	rc := clock.Start()
	item := new(wrapperspb.Int64Value)
	if err := decode(item); err != nil {
		return nil, err
	}
	n, err := s.lookUp(item.Value)
	if s.Finished != nil {
		s.Finished(&rc, err)
	}
	if err != nil {
		return nil, err
	}
	return wrapperspb.Int64(n), nil
}

// lookUp finds the number of pieces of an item.
func (s *Server) lookUp(item int64) (int64, error) {
	if d := time.Duration(s.WorkTime.Load()); d > 0 {
		time.Sleep(d)
	}
	if n := s.Recount.Load(); n > 0 && rand.Int64N(n) == 0 {
		return 0, errRecount
	}
	return item * 31 % 97, nil
}
