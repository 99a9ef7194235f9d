// Package recommend proposes products, with the help of a second service that
// knows which products go together.
package recommend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"example.com/shop/internal/clock"
)

// ErrNoDownstream is returned when no second service was configured.
var ErrNoDownstream = errors.New("no downstream configured")

// Client asks the downstream for related products.
type Client struct {
	Base string // URL of the downstream; empty if there is none
	// RenewAlways makes every Related enter the answer into the notes.
	RenewAlways atomic.Bool
	// HangUpAlways makes every call end its connection.
	HangUpAlways atomic.Bool

	kept   *http.Client // keeps its connections for the next call
	single *http.Client // has a connection for each call
	notes  notes
}

// NewClient returns a client without a downstream.
func NewClient() *Client {
	return &Client{
		kept: &http.Client{Transport: &http.Transport{
			MaxIdleConns:        4096,
			MaxIdleConnsPerHost: 4096,
			IdleConnTimeout:     5 * time.Minute,
		}},
		single: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		notes:  notes{byItem: make(map[int][]Item)},
	}
}

// Trust accepts certificates that these authorities signed, and no others. To
// be called before the first call.
func (c *Client) Trust(authorities *x509.CertPool) {
	for _, client := range []*http.Client{c.kept, c.single} {
		client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: authorities}
	}
}

// Close gives up the idle connections.
func (c *Client) Close() {
	c.kept.CloseIdleConnections()
}

// Related returns the products that go with the given one.
func (c *Client) Related(ctx context.Context, rc *clock.Request, id int) ([]Item, error) {
	if c.Base == "" {
		return nil, ErrNoDownstream
	}
	if c.RenewAlways.Load() {
		return c.renew(ctx, rc, id)
	}
	return c.ask(ctx, rc, id)
}

func (c *Client) ask(ctx context.Context, rc *clock.Request, id int) ([]Item, error) {
	asked := time.Now()
	body, err := c.get(ctx, c.Base+"/related?item="+strconv.Itoa(id))
	rc.Downstream += time.Since(asked)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Items []Item `json:"items"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("related products: %w", err)
	}
	return answer.Items, nil
}

func (c *Client) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := c.kept
	if c.HangUpAlways.Load() {
		client = c.single
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("related products: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("related products: %s", resp.Status)
	}
	return body, nil
}
