package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, code int, v any) {
	b := answers.Get().(*bytes.Buffer)
	defer answers.Put(b)
	b.Reset()
	if err := json.NewEncoder(b).Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the client may have gone
}

type problem struct {
	Error string `json:"error"`
}

func writeError(w http.ResponseWriter, code int, err error) {
	writeJSON(w, code, problem{Error: err.Error()})
}

// number returns the parameter name, or the shop's next turn if it is absent.
func (s *Shop) number(query url.Values, name string) int {
	if n, err := strconv.Atoi(query.Get(name)); err == nil && n >= 0 {
		return n
	}
	return int(s.turn.Add(1))
}
