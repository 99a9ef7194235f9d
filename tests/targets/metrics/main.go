// metrics is a small service that tells of itself in every form that loadprof reads: Prometheus text,
// OpenMetrics with exemplars, protobuf, expvar and profiles. What it counted itself is at /counted.
package main

import (
	"encoding/json"
	"expvar"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	rpprof "runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// instruments count the same requests in a registry.
type instruments struct {
	requests *prometheus.CounterVec
	took     prometheus.Histogram
	native   prometheus.Histogram
	sizes    prometheus.Summary
	inFlight prometheus.Gauge
}

func newInstruments(registry prometheus.Registerer) *instruments {
	i := &instruments{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_requests_total", Help: "Requests, by \"path\"\nand status.",
		}, []string{"path", "code"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shop_took_seconds", Help: "Time of a request.",
			Buckets: []float64{0.00001, 0.0001, 0.001, 0.0025, 0.1, 1, 1000000},
		}),
		native: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shop_native_seconds", Help: "The same, without fixed buckets.", NativeHistogramBucketFactor: 1.1,
		}),
		sizes: prometheus.NewSummary(prometheus.SummaryOpts{
			Name: "shop_answer_bytes", Help: "Size of an answer.", Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001},
			MaxAge: time.Hour,
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "shop_in_flight", Help: "Requests under way."}),
	}
	registry.MustRegister(i.requests, i.took, i.native, i.sizes, i.inFlight)
	return i
}

func (i *instruments) observe(path string, took time.Duration, size int, trace string) {
	labels := prometheus.Labels{"trace_id": trace}
	i.requests.WithLabelValues(path, "200").(prometheus.ExemplarAdder).AddWithExemplar(1, labels)
	i.took.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), labels)
	i.native.Observe(took.Seconds())
	i.sizes.Observe(float64(size))
}

// service answers the requests of the load.
type service struct {
	every   []*instruments
	counted atomic.Int64
	pool    *rpprof.Profile
	lock    sync.Mutex
	vars    *expvar.Map
}

func (s *service) work(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	for _, i := range s.every {
		i.inFlight.Inc()
		defer i.inFlight.Dec()
	}
	// Waiters for the profiles of contention and blocking.
	s.lock.Lock()
	time.Sleep(200 * time.Microsecond)
	s.lock.Unlock()
	answer := []byte("hello from " + r.URL.Path + "\n")
	n := s.counted.Add(1)
	s.vars.Add("requests", 1)
	trace := fmt.Sprintf("%032x", n)
	for _, i := range s.every {
		i.observe(r.URL.Path, time.Since(began), len(answer), trace)
	}
	w.Write(answer)
}

func (s *service) tell(w http.ResponseWriter, _ *http.Request) {
	json.NewEncoder(w).Encode(map[string]any{"requests": s.counted.Load(), "pool": s.pool.Count(), "pid": os.Getpid()})
}

// pages of one registry in each form; `metrics` is negotiated, the others are of one moment.
func (s *service) pages(mux *http.ServeMux, prefix string, registry *prometheus.Registry) {
	options := promhttp.HandlerOpts{EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true}
	mux.Handle(prefix+"/metrics", promhttp.HandlerFor(registry, options))
	// An exporter that offers nothing but protobuf.
	only := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux.HandleFunc(prefix+"/protobuf", func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
		only.ServeHTTP(w, r)
	})
}

func main() {
	mutex := flag.Int("mutex", 0, "mutex profile fraction, 0 is off")
	block := flag.Int("block", 0, "block profile rate, 0 is off")
	flag.String("password", "", "not used: a secret on the command line, which expvar shows")
	flag.Parse()
	runtime.SetMutexProfileFraction(*mutex)
	runtime.SetBlockProfileRate(*block)

	plain, whole := prometheus.NewRegistry(), prometheus.NewRegistry()
	whole.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	s := &service{
		every: []*instruments{newInstruments(plain), newInstruments(whole)},
		pool:  rpprof.NewProfile("shop/db.pool"),
		vars:  expvar.NewMap("shop"),
	}
	// Connections that are kept; the profile says who took them.
	for i := range 3 {
		s.pool.Add(i, 0)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/work/", s.work)
	mux.HandleFunc("/counted", s.tell)
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s.pages(mux, "", whole)
	s.pages(mux, "/plain", plain)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening http://%s\n", listener.Addr())
	if err := http.Serve(listener, mux); err != nil {
		panic(err)
	}
}
