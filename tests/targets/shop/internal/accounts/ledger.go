// Package accounts keeps what customers bought, in PostgreSQL.
package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"

	"example.com/shop/internal/clock"
)

// Sizes of the tables when they are made.
const (
	purchases = 200_000
	customers = 5_000
	articles  = 1_500
)

// Purchase is one thing that a customer bought.
type Purchase struct {
	ID    int    `json:"id"`
	Item  int    `json:"item"`
	Title string `json:"title"`
	Cents int    `json:"cents"`
}

// Ledger answers from the database.
type Ledger struct {
	Lines      atomic.Int64 // purchases on a statement
	TitleByRow atomic.Bool  // look the title of each line up when it is written

	db          *sql.DB
	connections atomic.Int64
}

// Open connects and makes the tables if they are not there.
func Open(ctx context.Context, dsn string, connections, lines int) (*Ledger, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	l := &Ledger{db: db}
	l.Lines.Store(int64(lines))
	l.SetConnections(connections)
	if err := l.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the tables: %w", err)
	}
	return l, nil
}

func (l *Ledger) prepare(ctx context.Context) error {
	var there bool
	if err := l.db.QueryRowContext(ctx, "SELECT to_regclass('purchase') IS NOT NULL").Scan(&there); err != nil || there {
		return err
	}
	for _, statement := range []string{
		"CREATE TABLE article (item int PRIMARY KEY, title text NOT NULL)",
		fmt.Sprintf("INSERT INTO article SELECT i, 'article ' || i FROM generate_series(0, %d) i", articles-1),
		"CREATE TABLE stock (item int PRIMARY KEY, remaining int NOT NULL)",
		fmt.Sprintf("INSERT INTO stock SELECT i, 1000000 FROM generate_series(0, %d) i", articles-1),
		"CREATE TABLE purchase (id serial PRIMARY KEY, customer int NOT NULL, item int NOT NULL, cents int NOT NULL)",
		fmt.Sprintf("INSERT INTO purchase (customer, item, cents) SELECT i %% %d, i %% %d, i %% 9999 "+
			"FROM generate_series(1, %d) i", customers, articles, purchases),
		"CREATE INDEX purchase_customer ON purchase (customer)",
		"ANALYZE",
	} {
		if _, err := l.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// Connections is the most there may be.
func (l *Ledger) Connections() int {
	return int(l.connections.Load())
}

// SetConnections bounds the number of connections.
func (l *Ledger) SetConnections(n int) {
	l.connections.Store(int64(n))
	l.db.SetMaxOpenConns(n)
	l.db.SetMaxIdleConns(n)
}

// Statement lists a customer's latest purchases.
func (l *Ledger) Statement(ctx context.Context, rc *clock.Request, customer int) ([]Purchase, error) {
	asked := time.Now()
	defer func() { rc.Database += time.Since(asked) }()
	list, err := l.latest(ctx, customer%customers)
	if err != nil {
		return nil, err
	}
	if l.TitleByRow.Load() {
		err = l.titleEach(ctx, list)
	} else {
		err = l.titleAll(ctx, list)
	}
	return list, err
}

func (l *Ledger) latest(ctx context.Context, customer int) ([]Purchase, error) {
	rows, err := l.db.QueryContext(ctx,
		"SELECT id, item, cents FROM purchase WHERE customer = $1 ORDER BY id DESC LIMIT $2", customer, l.Lines.Load())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Purchase
	for rows.Next() {
		var p Purchase
		if err := rows.Scan(&p.ID, &p.Item, &p.Cents); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

func (l *Ledger) titleEach(ctx context.Context, list []Purchase) error {
	for i := range list {
		row := l.db.QueryRowContext(ctx, "SELECT title FROM article WHERE item = $1", list[i].Item)
		if err := row.Scan(&list[i].Title); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) titleAll(ctx context.Context, list []Purchase) error {
	items := make([]int32, len(list))
	for i, p := range list {
		items[i] = int32(p.Item)
	}
	rows, err := l.db.QueryContext(ctx, "SELECT item, title FROM article WHERE item = ANY($1)", items)
	if err != nil {
		return err
	}
	defer rows.Close()
	titles := make(map[int]string, len(list))
	for rows.Next() {
		var item int
		var title string
		if err := rows.Scan(&item, &title); err != nil {
			return err
		}
		titles[item] = title
	}
	for i := range list {
		list[i].Title = titles[list[i].Item]
	}
	return rows.Err()
}

// Reserve takes one piece of an article and returns how many remain.
func (l *Ledger) Reserve(ctx context.Context, rc *clock.Request, item int) (remaining int, err error) {
	asked := time.Now()
	defer func() { rc.Database += time.Since(asked) }()
	err = l.db.QueryRowContext(ctx,
		"UPDATE stock SET remaining = remaining - 1 WHERE item = $1 RETURNING remaining", item%articles).Scan(&remaining)
	return remaining, err
}

// Close gives up the connections.
func (l *Ledger) Close() error {
	return l.db.Close()
}
