package web

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// served counts and times the requests by route.
type served struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics() (*prometheus.Registry, served) {
	m := served{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "Requests answered.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "Time from the start of the handler to its end.",
			Buckets: prometheus.DefBuckets,
		}, []string{"route"}),
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests,
		m.duration,
	)
	return reg, m
}

// routeMetrics are the metrics of one route.
type routeMetrics struct {
	route    string
	requests *prometheus.CounterVec
	ok       prometheus.Counter
	duration prometheus.Observer
}

func (m served) route(path string) routeMetrics {
	return routeMetrics{
		route:    path,
		requests: m.requests,
		ok:       m.requests.WithLabelValues(path, "200"),
		duration: m.duration.WithLabelValues(path),
	}
}

func (m *routeMetrics) observe(code int, took time.Duration) {
	if code == 200 {
		m.ok.Inc()
	} else {
		m.requests.WithLabelValues(m.route, strconv.Itoa(code)).Inc()
	}
	m.duration.Observe(took.Seconds())
}
