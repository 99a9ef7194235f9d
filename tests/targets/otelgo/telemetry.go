package main

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// telemetry is what one service exports, compressed as most do.
type telemetry struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider
}

// reporting is how a service's metrics are counted.
type reporting bool

const (
	// asUsual is since the start, in buckets with explicit bounds.
	asUsual reporting = false
	// sinceLast is since the last export, in exponential buckets.
	sinceLast reporting = true
)

func newTelemetry(protocol, endpoint, service string, how reporting) (*telemetry, error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	ctx := context.Background()
	named := resource.NewSchemaless(attribute.String("service.name", service))
	spans, records, points, err := exporters(ctx, protocol, endpoint, how)
	if err != nil {
		return nil, err
	}
	reader := sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(time.Second))
	return &telemetry{
		traces: sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(named),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(named)),
		logs: sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)),
			sdklog.WithResource(named)),
	}, nil
}

func exporters(ctx context.Context, protocol, endpoint string, how reporting) (
	sdktrace.SpanExporter, sdklog.Exporter, sdkmetric.Exporter, error,
) {
	if protocol == "http" {
		spans, err1 := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure(),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		records, err2 := otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
		points, err3 := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(endpoint), otlpmetrichttp.WithInsecure(),
			otlpmetrichttp.WithTemporalitySelector(how.temporality),
			otlpmetrichttp.WithAggregationSelector(how.aggregation))
		return spans, records, points, errors.Join(err1, err2, err3)
	}
	spans, err1 := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithCompressor("gzip"))
	records, err2 := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure())
	points, err3 := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(endpoint), otlpmetricgrpc.WithInsecure(),
		otlpmetricgrpc.WithTemporalitySelector(how.temporality),
		otlpmetricgrpc.WithAggregationSelector(how.aggregation))
	return spans, records, points, errors.Join(err1, err2, err3)
}

func (how reporting) temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	if how == sinceLast {
		return metricdata.DeltaTemporality
	}
	return sdkmetric.DefaultTemporalitySelector(kind)
}

func (how reporting) aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	if how == sinceLast && kind == sdkmetric.InstrumentKindHistogram {
		return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}
	}
	return sdkmetric.DefaultAggregationSelector(kind)
}

func (t *telemetry) flush(ctx context.Context) error {
	return errors.Join(t.traces.ForceFlush(ctx), t.logs.ForceFlush(ctx), t.metrics.ForceFlush(ctx))
}
