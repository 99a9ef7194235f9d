package catalogue

import (
	"fmt"
	"math/rand/v2"
)

// Words the product names are made of.
var (
	Styles    = []string{"rustic", "modern", "classic", "nordic", "vintage", "compact", "folding", "painted", "woven", "polished", "rounded", "stackable"}
	Materials = []string{"oak", "pine", "walnut", "steel", "copper", "linen", "cotton", "leather", "ceramic", "glass", "bamboo", "marble"}
	Kinds     = []string{"table", "chair", "lamp", "shelf", "mug", "bowl", "basket", "mirror", "clock", "bench", "drawer", "cushion"}
)

// Product is one article of the shop.
type Product struct {
	ID       int      `json:"id"`
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Material string   `json:"material"`
	Cents    int      `json:"cents"`
	Stock    int      `json:"stock"`
	Rating   float64  `json:"rating"`
	Tags     []string `json:"tags"`
}

// Products makes n articles, the same ones in every process.
func Products(n int) []Product {
	rnd := rand.New(rand.NewPCG(7, 11))
	out := make([]Product, n)
	for i := range out {
		style := Styles[rnd.IntN(len(Styles))]
		material := Materials[rnd.IntN(len(Materials))]
		kind := Kinds[rnd.IntN(len(Kinds))]
		out[i] = Product{
			ID:       i + 1,
			Name:     fmt.Sprintf("%s %s %s no. %d", style, material, kind, i+1),
			Kind:     kind,
			Material: material,
			Cents:    500 + rnd.IntN(40000),
			Stock:    rnd.IntN(300),
			Rating:   float64(10+rnd.IntN(40)) / 10,
			Tags:     []string{style, material, kind},
		}
	}
	return out
}
