package web

import (
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/shop/internal/clock"
)

// handle answers one request of a shop and notes where its time goes.
type handle func(*Shop, http.ResponseWriter, *http.Request, *clock.Request)

// route is a path of the shop with its clock and metrics.
type route struct {
	shop    *Shop
	handle  handle
	clock   *clock.Route
	metrics routeMetrics
}

func (rt *route) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rc := clock.Start()
	cw := codeWriter{ResponseWriter: w, code: http.StatusOK}
	rt.handle(rt.shop, &cw, req, &rc)
	if j := rt.shop.journal; j.Wanted() {
		asked := time.Now()
		j.Request(req.URL.Path, trace(req), rc.SoFar())
		rc.Log += time.Since(asked)
	}
	took := rt.clock.Finish(&rc)
	rt.metrics.observe(cw.code, took)
}

// trace is the id of the trace that a request belongs to; empty if it has none.
func trace(req *http.Request) string {
	if fields := strings.Split(req.Header.Get("traceparent"), "-"); len(fields) == 4 {
		return fields[1]
	}
	return ""
}

// codeWriter remembers the status code.
type codeWriter struct {
	http.ResponseWriter
	code int
}

func (w *codeWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Handler returns all routes of the shop.
func (s *Shop) Handler() http.Handler {
	mux := http.NewServeMux()
	handles := map[string]handle{
		"/catalogue":    (*Shop).catalogue,
		"/search":       (*Shop).search,
		"/order":        (*Shop).order,
		"/recommend":    (*Shop).recommend,
		"/image":        (*Shop).image,
		"/feed":         (*Shop).feed,
		"/related":      (*Shop).relatedItems,
		"/availability": (*Shop).availability,
		"/healthz":      (*Shop).healthz,
	}
	if s.ledger != nil {
		handles["/account"] = (*Shop).account
		handles["/reserve"] = (*Shop).reserve
	}
	if s.shelf != nil {
		handles["/basket"] = (*Shop).basket
	}
	for path, h := range handles {
		mux.Handle("GET "+path, &route{
			shop:    s,
			handle:  h,
			clock:   s.book.Route(path),
			metrics: s.served.route(path),
		})
	}
	mux.HandleFunc("GET /clocks", s.clocks)
	mux.HandleFunc("GET /addresses", s.listening)
	mux.HandleFunc("GET /admin/get", s.adminGet)
	mux.HandleFunc("POST /admin/set", s.adminSet)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
