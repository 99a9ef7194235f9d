package search

import (
	"slices"
	"testing"

	"example.com/shop/internal/catalogue"
)

func TestCompileKeepsHits(t *testing.T) {
	ix := NewIndex(catalogue.Products(400), 50)
	kept := ix.Match("Oak mug")
	ix.CompileAlways.Store(true)
	if got := ix.Match("Oak mug"); len(got) != maxHits || !slices.Equal(kept, got) {
		t.Errorf("hits %v, then %v", kept, got)
	}
	if got := ix.Match("unheard of"); len(got) != 0 {
		t.Errorf("hits %v", got)
	}
}

func BenchmarkMatch(b *testing.B) {
	ix := NewIndex(catalogue.Products(400), 50)
	for _, always := range []bool{false, true} {
		name := "kept"
		if always {
			name = "compiled"
		}
		b.Run(name, func(b *testing.B) {
			ix.CompileAlways.Store(always)
			for b.Loop() {
				ix.Match("oak mug")
			}
		})
	}
}
