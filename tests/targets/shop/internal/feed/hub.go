// Package feed keeps the shop's news and passes them on.
package feed

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"example.com/shop/internal/catalogue"
)

const shown = 6

// Story is one piece of news.
type Story struct {
	ID    int
	Title string
	Text  string
	At    time.Time
	Likes int
}

// Hub has the news and the readers that follow it.
type Hub struct {
	// SubscribeAlways makes every reader follow the news from then on, with
	// Followers subscriptions.
	SubscribeAlways atomic.Bool
	Followers       atomic.Int64

	stories []Story
	seen    atomic.Int64
}

// NewHub returns a hub with one story for each product.
func NewHub(products []catalogue.Product, followers int) *Hub {
	h := new(Hub)
	h.Followers.Store(int64(followers))
	day := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for i, p := range products {
		h.stories = append(h.stories, Story{
			ID:    p.ID,
			Title: "New in the shop: " + p.Name,
			Text:  fmt.Sprintf("Made of %s, rated %.1f & <in stock> %d times.", p.Material, p.Rating, p.Stock),
			At:    day.Add(time.Duration(i) * 37 * time.Minute),
			Likes: p.Stock * 13 % 101,
		})
	}
	return h
}

// News returns the stories a reader may like best.
func (h *Hub) News(reader int) []Story {
	if h.SubscribeAlways.Load() {
		for range h.Followers.Load() {
			go h.follow(make(chan Story))
		}
	}
	list := make([]*Story, len(h.stories))
	for i := range h.stories {
		list[i] = &h.stories[i]
	}
	pick := ranking(reader)
	slices.SortFunc(list, pick.compare)
	out := make([]Story, 0, shown)
	for _, s := range list[:min(shown, len(list))] {
		out = append(out, *s)
	}
	return out
}

// follow takes in what is published to one subscription.
func (h *Hub) follow(published <-chan Story) {
	for range published {
		h.seen.Add(1)
	}
}

// ranking is the order of stories for one reader.
type ranking int

func (r ranking) compare(a, b *Story) int {
	return cmp.Or(cmp.Compare(r.score(b), r.score(a)), b.At.Compare(a.At))
}

func (r ranking) score(s *Story) int {
	return (s.Likes*31 + s.ID*int(r)) % 1009
}
