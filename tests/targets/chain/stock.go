package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
)

// startStock serves stock.Stock/Reserve: counts in Redis, then asks ledger; its address.
func startStock(s *service, address, ledger string) (string, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return "", err
	}
	client := redis.NewClient(options)
	if err := redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(s.traces)); err != nil {
		return "", err
	}
	post, err := dial(s, ledger, "/ledger.Ledger/Post")
	if err != nil {
		return "", err
	}
	return serve(s, "/stock.Stock/Reserve", func(ctx context.Context, item int64) error {
		if err := client.Incr(ctx, fmt.Sprintf("reserved:%d", item)).Err(); err != nil {
			return err
		}
		return post(ctx, item)
	})
}
