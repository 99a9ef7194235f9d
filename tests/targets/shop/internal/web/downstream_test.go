package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"example.com/shop/internal/certificate"
)

// With renew, one request at a time asks the downstream; the clocks tell the
// wait for the turn from the call, which counts once.
func TestRenewAsksOneAtATime(t *testing.T) {
	base, second := start(t)
	const clients, each, delay = 4, 5, 5 * time.Millisecond
	set(t, second, "delay=5ms")
	hammer(t, base+"/recommend", clients, each)
	before := clocks(t, base).Routes["/recommend"]
	set(t, base, "renew=always")
	begin := time.Now()
	hammer(t, base+"/recommend", clients, each)
	if took := time.Since(begin); took < clients*each*delay {
		t.Errorf("%d calls took %s", clients*each, took)
	}
	c := clocks(t, base).Routes["/recommend"]
	called := c.Downstream - before.Downstream
	if sum(c) != c.Total || c.LockHeld <= 0 || c.LockHeld > called/2 || before.LockWait != 0 {
		t.Errorf("before %+v, after %+v", before, c)
	}
	if c.LockWait < 2*called {
		t.Errorf("called for %d ns: %+v", called, c)
	}
}

// With hang-up, every call has a connection of its own.
func TestHangUpConnectsForEachCall(t *testing.T) {
	second := New()
	file := filepath.Join(t.TempDir(), "certificate.pem")
	own, err := certificate.Make(file)
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(second.Handler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	first := New()
	authorities, err := certificate.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	first.Trust(authorities)
	first.SetDownstream(server.URL)
	base := serve(t, first)
	hammer(t, base+"/recommend", 1, 10)
	if n := connections.Load(); n > 2 {
		t.Errorf("%d connections", n)
	}
	set(t, base, "hang-up=always")
	connections.Store(0)
	hammer(t, base+"/recommend", 2, 10)
	if n := connections.Load(); n != 20 {
		t.Errorf("%d connections for 20 calls", n)
	}
	if _, err := http.Get(server.URL); err == nil {
		t.Error("everybody trusts it")
	}
}

// What cannot be answered is asked again, and the pauses have a clock.
func TestRecountIsAskedAgain(t *testing.T) {
	base, second := start(t)
	set(t, base, "attempts=3&pause=2ms")
	set(t, second, "recount=1")
	if code, body := call(t, "GET", base+"/availability?item=3"); code != 502 {
		t.Errorf("%d %s", code, body)
	}
	if c := clocks(t, base).Routes["/availability"]; c.Pause < int64(6*time.Millisecond) || sum(c) != c.Total {
		t.Errorf("%+v", c)
	}
	set(t, second, "recount=0")
	if code, body := call(t, "GET", base+"/availability?item=3"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}
