package catalogue

import (
	"slices"
	"testing"

	"example.com/shop/internal/clock"
)

func TestReloadKeepsPages(t *testing.T) {
	s := NewStore(30)
	rc := clock.Start()
	for _, n := range []int{0, 3, 29, 30} {
		kept, err := s.Page(&rc, n, "price")
		if err != nil {
			t.Fatal(err)
		}
		if rc.LockHeld != 0 {
			t.Fatal("document was read")
		}
		s.RefreshAlways.Store(true)
		read, err := s.Page(&rc, n, "price")
		if err != nil {
			t.Fatal(err)
		}
		if rc.LockHeld == 0 {
			t.Fatal("document was not read")
		}
		if len(read) != PageSize || !slices.EqualFunc(kept, read, same) {
			t.Errorf("page %d: %v, then %v", n, kept, read)
		}
		if !slices.IsSortedFunc(read, func(a, b Entry) int { return a.Cents - b.Cents }) {
			t.Errorf("page %d is not in order", n)
		}
		s.RefreshAlways.Store(false)
		rc = clock.Start()
	}
}

func same(a, b Entry) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Similar == b.Similar
}

func BenchmarkReload(b *testing.B) {
	s := NewStore(19)
	rc := clock.Start()
	for b.Loop() {
		if err := s.Reload(&rc); err != nil {
			b.Fatal(err)
		}
	}
}
