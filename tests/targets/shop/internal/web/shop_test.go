package web

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/shop/internal/clock"
)

var paths = []string{"/catalogue", "/search?q=oak+mug", "/order", "/recommend", "/image", "/feed", "/related",
	"/availability", "/healthz"}

// short are the paths whose answers are small.
var short = []string{"/availability", "/healthz"}

// start runs a shop and its downstream, which is its supplier, too, and returns
// their URLs.
func start(t *testing.T) (base, downstream string) {
	t.Helper()
	second := New()
	supplier := listen(t)
	second.Supply(supplier)
	downstream = serve(t, second)
	first := New()
	first.SetDownstream(downstream)
	if err := first.SetSuppliers(supplier.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return serve(t, first), downstream
}

// serve runs a shop until the test ends and returns its URL.
func serve(t *testing.T, s *Shop) string {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		s.Close()
	})
	return server.URL
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func call(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

func set(t *testing.T, base, query string) {
	t.Helper()
	if code, body := call(t, "POST", base+"/admin/set?"+query); code != 200 {
		t.Fatalf("set %s: %d %s", query, code, body)
	}
}

func clocks(t *testing.T, base string) clock.Reading {
	t.Helper()
	_, body := call(t, "GET", base+"/clocks")
	var r clock.Reading
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return r
}

// hammer asks for a path n times from each of c clients.
func hammer(t *testing.T, url string, c, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range c {
		wg.Go(func() {
			for range n {
				if code, body := call(t, "GET", url); code != 200 {
					t.Errorf("%s: %d %s", url, code, body)
				}
			}
		})
	}
	wg.Wait()
}

func TestAnswers(t *testing.T) {
	base, _ := start(t)
	for _, path := range paths {
		code, body := call(t, "GET", base+path)
		if code != 200 || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, code, body)
		}
		if n := len(body); !slices.Contains(short, path) && (n < 900 || n > 3600) {
			t.Errorf("%s: %d bytes", path, n)
		}
	}
	if code, _ := call(t, "GET", base+"/search"); code != 400 {
		t.Errorf("search for nothing: %d", code)
	}
	_, body := call(t, "GET", base+"/metrics")
	for _, want := range []string{
		`http_requests_total{code="200",route="/feed"} 1`,
		`http_request_duration_seconds_count{route="/order"} 1`,
		"go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in metrics", want)
		}
	}
}

func TestNobodyToAsk(t *testing.T) {
	_, second := start(t)
	for _, path := range []string{"/recommend", "/availability"} {
		if code, body := call(t, "GET", second+path); code != 503 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestAdmin(t *testing.T) {
	base, _ := start(t)
	for query, want := range map[string]string{
		"colour=red":              `unknown setting \"colour\"; known are: attempts, buffer, compile`,
		"workers=0":               "0 is not between 1 and 10000",
		"delay=20":                "not a duration such as 20ms",
		"refresh=always&pages=-1": "-1 is not between",
	} {
		code, body := call(t, "POST", base+"/admin/set?"+query)
		if code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if code, _ := call(t, "GET", base+"/admin/set?workers=3"); code != 405 {
		t.Errorf("set by GET: %d", code)
	}
	set(t, base, "workers=3&buffer=1MiB")
	_, body := call(t, "GET", base+"/admin/get")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got["workers"] != "3" || got["buffer"] != "1MiB" || got["refresh"] != "never" || len(got) != 20 {
		t.Errorf("settings %v", got)
	}
}
