package main

import (
	"context"
	"crypto/rand"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// header is the one that services without W3C trace context use; as gRPC metadata its name is in lower case.
const header = "X-Trace-ID"

// propagator carries context over HTTP and gRPC alike. X-Trace-ID is looked at last: a traceparent is worth more.
var propagator = propagation.NewCompositeTextMapPropagator(
	propagation.TraceContext{}, propagation.Baggage{}, traceID{})

// traceID propagates X-Trace-ID.
type traceID struct{}

func (traceID) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		carrier.Set(strings.ToLower(header), span.TraceID().String())
	}
}

// Extract makes a parent of the header: the id is the caller's; its span has none, so one is made up.
func (traceID) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	// UUIDs are written with dashes.
	id, err := trace.TraceIDFromHex(strings.ReplaceAll(carrier.Get(strings.ToLower(header)), "-", ""))
	if err != nil {
		return ctx
	}
	var span trace.SpanID
	_, _ = rand.Read(span[:])
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

func (traceID) Fields() []string { return []string{strings.ToLower(header)} }
