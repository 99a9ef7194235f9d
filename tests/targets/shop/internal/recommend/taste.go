package recommend

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"example.com/shop/internal/catalogue"
)

const (
	dimensions = 32
	proposals  = 12
)

// Proposal is a product with its score for a customer.
type Proposal struct {
	ID    int     `json:"id"`
	Name  string  `json:"name"`
	Cents int     `json:"cents"`
	Score float64 `json:"score"`
}

// Taste ranks products by how well they go with a list of others.
type Taste struct {
	products []catalogue.Product
	vectors  [][dimensions]float64
}

// NewTaste returns the ranking of the products.
func NewTaste(products []catalogue.Product) *Taste {
	rnd := rand.New(rand.NewPCG(3, 5))
	t := &Taste{products: products, vectors: make([][dimensions]float64, len(products))}
	for i := range t.vectors {
		for d := range t.vectors[i] {
			t.vectors[i][d] = rnd.NormFloat64()
		}
	}
	return t
}

// Rank returns the products that go best with the items.
func (t *Taste) Rank(items []Item) []Proposal {
	var wish [dimensions]float64
	for _, it := range items {
		v := &t.vectors[it.ID%len(t.vectors)]
		for d := range wish {
			wish[d] += it.Weight * v[d]
		}
	}
	list := make([]Proposal, len(t.products))
	for i := range t.products {
		p := &t.products[i]
		list[i] = Proposal{ID: p.ID, Name: p.Name, Cents: p.Cents, Score: cosine(&wish, &t.vectors[i])}
	}
	slices.SortFunc(list, byScore)
	return list[:min(proposals, len(list))]
}

func cosine(a, b *[dimensions]float64) float64 {
	var ab, aa, bb float64
	for d := range a {
		ab += a[d] * b[d]
		aa += a[d] * a[d]
		bb += b[d] * b[d]
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func byScore(a, b Proposal) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
}
