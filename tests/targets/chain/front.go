package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"
)

// newFront answers GET /checkout?item=N by asking orders.
func newFront(s *service, redis, orders string) (http.Handler, error) {
	snapshots, err := newSnapshots(redis)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithTracerProvider(s.traces), otelhttp.WithPropagators(propagator))}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(otelgin.Middleware(s.name,
		otelgin.WithTracerProvider(s.traces), otelgin.WithPropagators(propagator)), answer(s))
	router.GET("/checkout", func(c *gin.Context) {
		ctx := c.Request.Context()
		defer snapshots.watch(ctx)()
		err := s.do(ctx, "/checkout", func(ctx context.Context) error {
			price()
			return get(ctx, client, orders+"/orders/"+url.PathEscape(c.Query("item")))
		})
		if err != nil {
			c.String(http.StatusBadGateway, "%v\n", err)
			return
		}
		c.String(http.StatusOK, "done\n")
	})
	return router, nil
}

// answer tells the caller under which id its request is found, and notes what it said itself.
func answer(s *service) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		if span := trace.SpanContextFromContext(ctx); span.IsValid() {
			id := span.TraceID().String()
			c.Header(header, id)
			s.log.InfoContext(ctx, "request accepted", "trace_id", id, "x_trace_id", c.GetHeader(header),
				"protocol", c.Request.Proto)
		}
	}
}

// price computes for a few milliseconds, for CPU profiles to see.
func price() {
	sum := sha256.Sum256(nil)
	for end := time.Now().Add(4 * time.Millisecond); time.Now().Before(end); {
		for range 100 {
			sum = sha256.Sum256(sum[:])
		}
	}
}

func get(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, answer.Status)
	}
	return nil
}
