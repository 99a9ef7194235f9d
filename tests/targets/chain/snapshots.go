package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
)

const (
	slow = 150 * time.Millisecond
	keep = 10 * time.Minute
)

// snapshots keeps what the process did while a request was slow, under pprof:<trace id>:<minute>.
type snapshots struct{ client *redis.Client }

func newSnapshots(address string) (*snapshots, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, err
	}
	return &snapshots{redis.NewClient(options)}, nil
}

// watch takes a goroutine profile if a request is still under way when it is slow; to be called when it has ended.
func (s *snapshots) watch(ctx context.Context) func() bool {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return func() bool { return false }
	}
	return time.AfterFunc(slow, func() {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 0); err != nil {
			return
		}
		// By the minute, so that whoever knows about when the request was finds it.
		minute := time.Now().Unix() / 60 * 60
		key := fmt.Sprintf("pprof:%s:%d", span.TraceID(), minute)
		s.client.Set(context.Background(), key, profile.Bytes(), keep)
	}).Stop
}
