package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/propagation"
)

const table = `CREATE TABLE IF NOT EXISTS ledger (id bigserial PRIMARY KEY, item bigint NOT NULL, note text)`

// post takes its time in the database: 0.4 s for every tenth item, else 10 ms. The literal is one that must not be
// written down by anybody.
const post = `INSERT INTO ledger (item, note) SELECT $1, 'note-for-nobody' FROM pg_sleep($2) RETURNING id`

// startLedger serves ledger.Ledger/Post: one statement in PostgreSQL; its address.
func startLedger(ctx context.Context, s *service, address string) (string, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return "", err
	}
	config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(s.traces))
	config.ConnConfig.RuntimeParams["application_name"] = s.name
	// Each comment makes a text of its own: kept as prepared statements they would never be used again.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return "", err
	}
	if _, err := pool.Exec(ctx, table); err != nil {
		return "", err
	}
	return serve(s, "/ledger.Ledger/Post", func(ctx context.Context, item int64) error {
		pause := 0.01
		if item%10 == 0 {
			pause = 0.4
		}
		var id int64
		return pool.QueryRow(ctx, post, commented{}, item, pause).Scan(&id)
	})
}

// commented puts the trace context behind a statement, in the manner of sqlcommenter. pgx asks it within the span
// of the query.
type commented struct{}

func (commented) RewriteQuery(ctx context.Context, _ *pgx.Conn, sql string, args []any) (string, []any, error) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	var pairs []string
	for _, key := range []string{"traceparent", "tracestate"} {
		if value := carrier[key]; value != "" {
			pairs = append(pairs, fmt.Sprintf("%s='%s'", key, url.QueryEscape(value)))
		}
	}
	if len(pairs) == 0 {
		return sql, args, nil
	}
	return sql + " /*" + strings.Join(pairs, ",") + "*/", args, nil
}
