package orders

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"text/template"
)

// signRounds is the number of hash rounds of a receipt's signature.
const signRounds = 2800

// Line is one position of an order.
type Line struct {
	Item  int    `json:"item"`
	Name  string `json:"name"`
	Count int    `json:"count"`
	Cents int    `json:"cents"`
}

// Order is a list of positions.
type Order struct {
	Customer string `json:"customer"`
	Lines    []Line `json:"lines"`
}

// Receipt is the answer to a booked order.
type Receipt struct {
	Booking   Booking `json:"booking"`
	Order     Order   `json:"order"`
	Total     int     `json:"total"`
	Text      string  `json:"text"`
	Signature string  `json:"signature"`
}

var receiptText = template.Must(template.New("receipt").Parse(
	`Order {{.Booking.Number}} for {{.Order.Customer}}
{{range .Order.Lines}}{{printf "%3d x %-36s %8d" .Count .Name .Cents}}
{{end}}Total {{.Total}}
`))

// NewReceipt writes and signs the receipt of a booked order.
func NewReceipt(o Order, b Booking) (Receipt, error) {
	r := Receipt{Booking: b, Order: o}
	for _, l := range o.Lines {
		r.Total += l.Count * l.Cents
	}
	var text bytes.Buffer
	if err := receiptText.Execute(&text, r); err != nil {
		return r, fmt.Errorf("receipt text: %w", err)
	}
	r.Text = text.String()
	key, err := pbkdf2.Key(sha256.New, r.Text, []byte(o.Customer), signRounds, sha256.Size)
	if err != nil {
		return r, fmt.Errorf("receipt signature: %w", err)
	}
	r.Signature = hex.EncodeToString(key)
	return r, nil
}
