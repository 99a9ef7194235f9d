package feed

import (
	"bytes"
	"fmt"
	"html/template"
)

var storyHTML = template.Must(template.New("story").Parse(
	`<article id="s{{.ID}}"><h2>{{.Title}}</h2><time>{{.At.Format "2006-01-02 15:04"}}</time><p>{{.Text}}</p></article>`))

// Card is a story as the page shows it.
type Card struct {
	ID   int    `json:"id"`
	HTML string `json:"html"`
}

// Cards renders stories.
func Cards(stories []Story) ([]Card, error) {
	cards := make([]Card, 0, len(stories))
	var b bytes.Buffer
	for _, s := range stories {
		b.Reset()
		if err := storyHTML.Execute(&b, s); err != nil {
			return nil, fmt.Errorf("story %d: %w", s.ID, err)
		}
		cards = append(cards, Card{ID: s.ID, HTML: b.String()})
	}
	return cards, nil
}
