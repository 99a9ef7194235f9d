package supply

import (
	"net"
	"sync"

	"google.golang.org/grpc"
)

// door passes connections to one gRPC server, which keeps its options for all
// its life. It is the listener of that server.
type door struct {
	server *grpc.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newDoor(server *grpc.Server) *door {
	d := &door{server: server, conns: make(chan net.Conn), closed: make(chan struct{})}
	go func() { _ = server.Serve(d) }() // ends with the server, without news
	return d
}

// enter gives a connection to the server.
func (d *door) enter(conn net.Conn) {
	select {
	case d.conns <- conn:
	case <-d.closed:
		_ = conn.Close()
	}
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case conn := <-d.conns:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

func (d *door) Addr() net.Addr {
	return &net.TCPAddr{}
}
