package catalogue

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// PageSize is the number of products on a page.
	PageSize = 16
	// window is how many products around a page are put in order.
	window = 19 * PageSize
	// similar is how many similar products an entry names.
	similar = 3
)

// Entry is a product on a page.
type Entry struct {
	Product
	Similar [similar]int `json:"similar"` // the products most like this one
}

// arrange puts the window of products that page n falls into in order and cuts
// the page out.
func arrange(products []Product, n int, order string) []Entry {
	pages := max(len(products)/PageSize, 1)
	at := (n % pages) * PageSize
	from := at / window * window
	to := min(from+window, len(products))
	list := slices.Clone(products[from:to])
	switch order {
	case "price":
		slices.SortFunc(list, byPrice)
	case "rating":
		slices.SortFunc(list, byRating)
	default:
		slices.SortFunc(list, byName)
	}
	at -= from
	scratch := make([]likeness, 0, len(list))
	page := make([]Entry, 0, PageSize)
	for _, p := range list[at:min(at+PageSize, len(list))] {
		page = append(page, Entry{Product: p, Similar: mostSimilar(&p, list, scratch)})
	}
	return page
}

func byPrice(a, b Product) int {
	return cmp.Or(cmp.Compare(a.Cents, b.Cents), byName(a, b))
}

func byRating(a, b Product) int {
	return cmp.Or(cmp.Compare(b.Rating, a.Rating), byName(a, b))
}

func byName(a, b Product) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

// likeness ranks a product by how much it is like another one, the smallest
// first: by tags not shared, then by difference of price, then by id.
type likeness uint64

func compare(p, o *Product) likeness {
	other := 0
	for _, tag := range o.Tags {
		if !slices.Contains(p.Tags, tag) {
			other++
		}
	}
	gap := max(o.Cents-p.Cents, p.Cents-o.Cents)
	return likeness(other)<<56 | likeness(gap)<<24 | likeness(o.ID)
}

func (l likeness) id() int {
	return int(l & (1<<24 - 1))
}

// mostSimilar returns the products of the list that are most like p. It uses
// the room of scratch.
func mostSimilar(p *Product, list []Product, scratch []likeness) [similar]int {
	scratch = scratch[:0]
	for i := range list {
		if o := &list[i]; o.ID != p.ID {
			scratch = append(scratch, compare(p, o))
		}
	}
	slices.Sort(scratch)
	var ids [similar]int
	for i := range min(similar, len(scratch)) {
		ids[i] = scratch[i].id()
	}
	return ids
}
