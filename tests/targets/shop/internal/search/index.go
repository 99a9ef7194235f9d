// Package search finds products by the words of their names.
package search

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"example.com/shop/internal/catalogue"
)

const maxHits = 20

// Hit is one product found.
type Hit struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
	Score int    `json:"score"`
}

// Index matches words against product names. Every word of the vocabulary has
// a pattern that also accepts its usual forms.
type Index struct {
	// CompileAlways makes Match build its patterns itself, Terms of them.
	CompileAlways atomic.Bool
	Terms         atomic.Int64

	products []catalogue.Product
	word     map[string]int // word to its place in sources and patterns
	sources  []string
	patterns []*regexp.Regexp
}

// NewIndex returns an index over the products.
func NewIndex(products []catalogue.Product, terms int) *Index {
	ix := &Index{products: products, word: make(map[string]int)}
	ix.Terms.Store(int64(terms))
	for _, words := range [][]string{catalogue.Kinds, catalogue.Materials, catalogue.Styles} {
		for _, w := range words {
			source := `(?i)\b` + w + `(?:s|y|en|ish)?\b`
			ix.word[w] = len(ix.sources)
			ix.sources = append(ix.sources, source)
			ix.patterns = append(ix.patterns, regexp.MustCompile(source))
		}
	}
	return ix
}

// Match returns the best hits for the words of query.
func (ix *Index) Match(query string) []Hit {
	patterns := ix.patterns
	if ix.CompileAlways.Load() {
		patterns = slices.Clone(patterns)
		for i := range int(ix.Terms.Load()) {
			k := i % len(ix.sources)
			patterns[k] = regexp.MustCompile(ix.sources[k])
		}
	}
	var wanted []*regexp.Regexp
	for _, w := range strings.Fields(strings.ToLower(query)) {
		if k, ok := ix.word[w]; ok && len(wanted) < 4 {
			wanted = append(wanted, patterns[k])
		}
	}
	return ix.rank(wanted)
}

// rank scores every product by the number of patterns its name matches.
func (ix *Index) rank(wanted []*regexp.Regexp) []Hit {
	hits := make([]Hit, 0, 64)
	for i := range ix.products {
		p := &ix.products[i]
		score := 0
		for _, re := range wanted {
			if re.MatchString(p.Name) {
				score++
			}
		}
		if score > 0 {
			hits = append(hits, Hit{ID: p.ID, Name: p.Name, Cents: p.Cents, Score: score})
		}
	}
	slices.SortFunc(hits, better)
	return hits[:min(len(hits), maxHits)]
}

func better(a, b Hit) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Cents, b.Cents), cmp.Compare(a.ID, b.ID))
}
