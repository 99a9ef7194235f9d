package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	j := new(Journal)
	if j.Wanted() {
		t.Error("wanted before it is open")
	}
	if err := j.Open(path); err != nil || !j.Wanted() {
		t.Fatal(err)
	}
	j.FlushLines.Store(1)
	j.Request("/order", "abc", 3*time.Millisecond)
	j.Request("/feed", "", 51*time.Millisecond)
	j.Steps.Store(2)
	j.Request("/image", "def", time.Millisecond)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 5 || !strings.Contains(lines[4], `"msg":"step of /image","step":1,"trace_id":"def"`) {
		t.Fatalf("%q", text)
	}
	for i, want := range []string{"INFO request for /order 3000000 abc", "WARN slow request for /feed 51000000 "} {
		var l struct {
			Level, Msg string
			Took       json.Number
			Trace      string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(lines[i]), &l); err != nil {
			t.Fatal(err)
		}
		if got := l.Level + " " + l.Msg + " " + l.Took.String() + " " + l.Trace; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A pipe cannot be brought to disk, so it tells when that is tried.
func TestFlushAfterLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	j := new(Journal)
	if err := j.Open(path); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	flushes := func(every int64) (pattern string) {
		j.FlushLines.Store(every)
		for range 6 {
			if _, err := j.Write([]byte("line\n")); err != nil {
				pattern += "f"
			} else {
				pattern += "."
			}
		}
		return pattern
	}
	for every, want := range map[int64]string{0: "......", 1: "ffffff", 3: "..f..f"} {
		j.lines = 0
		if got := flushes(every); got != want {
			t.Errorf("after every %d lines: %s, want %s", every, got, want)
		}
	}
}
