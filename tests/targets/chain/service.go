package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

var seconds = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name: "chain_request_seconds",
	Help: "Time of a request, by service.",
}, []string{"service"})

// service is what one of the four says about itself, each under its own name.
type service struct {
	name   string
	traces *sdktrace.TracerProvider
	log    *slog.Logger
}

func newService(ctx context.Context, name, otlp, logs string) (*service, error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(otlp), otlptracegrpc.WithInsecure())
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &service{
		name: name,
		traces: sdktrace.NewTracerProvider(
			sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(time.Second)),
			sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", name))),
			// Whoever calls decides; what nobody asked for leaves no trace.
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))),
		log: slog.New(slog.NewJSONHandler(file, nil)),
	}, nil
}

// do handles a request: its samples carry its trace id, its duration has it as exemplar, and it leaves a line.
func (s *service) do(ctx context.Context, endpoint string, handle func(context.Context) error) error {
	id := trace.SpanContextFromContext(ctx).TraceID().String()
	began := time.Now()
	var err error
	pprof.Do(ctx, pprof.Labels("trace_id", id, "endpoint", endpoint), func(ctx context.Context) {
		err = handle(ctx)
	})
	took := time.Since(began)
	seconds.WithLabelValues(s.name).(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(),
		prometheus.Labels{"trace_id": id})
	sent := baggage.FromContext(ctx)
	level, problem := slog.LevelInfo, ""
	if err != nil {
		level, problem = slog.LevelError, err.Error()
	}
	s.log.LogAttrs(ctx, level, "request done",
		slog.String("trace_id", id),
		slog.String("endpoint", endpoint),
		slog.Int64("millis", took.Milliseconds()),
		slog.String("run", sent.Member("loadprof.run").Value()),
		slog.String("scenario", sent.Member("loadprof.scenario").Value()),
		slog.String("problem", problem))
	return err
}
