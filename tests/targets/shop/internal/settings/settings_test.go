package settings

import (
	"flag"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type values struct {
	on    atomic.Bool
	count atomic.Int64
	wait  atomic.Int64
	size  atomic.Int64
}

func newList() (*List, *values) {
	l, v := New(), new(values)
	l.Always("on", "", &v.on)
	l.Count("count", "", 1, 9, &v.count)
	l.Duration("wait", "", time.Second, &v.wait)
	l.Size("size", "", 4<<20, &v.size)
	return l, v
}

func TestChange(t *testing.T) {
	l, v := newList()
	err := l.Change(url.Values{"on": {"always"}, "count": {"3"}, "wait": {"20ms"}, "size": {"1MiB"}})
	if err != nil {
		t.Fatal(err)
	}
	if !v.on.Load() || v.count.Load() != 3 || v.wait.Load() != 20e6 || v.size.Load() != 1<<20 {
		t.Errorf("values %+v", l.Read())
	}
	read := l.Read()
	if read["on"] != "always" || read["count"] != "3" || read["wait"] != "20ms" || read["size"] != "1MiB" {
		t.Errorf("read %v", read)
	}
}

func TestChangeRefuses(t *testing.T) {
	for query, want := range map[string]string{
		"":                   "no setting given",
		"other=1":            `unknown setting "other"; known are: count, on, size, wait`,
		"on=yes":             "neither never nor always",
		"count=x":            "not a whole number",
		"count=10":           "not between 1 and 9",
		"count=2&count=3":    "given 2 times",
		"wait=20":            "not a duration",
		"wait=2s":            "not between 0s and 1s",
		"wait=-1s":           "not between 0s and 1s",
		"size=1GB":           "not a size",
		"size=5MiB":          "not between 0 and 4MiB",
		"size=-1":            "not between 0 and 4MiB",
		"on=always&count=99": "not between",
	} {
		l, v := newList()
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		err = l.Change(q)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", query, err, want)
		}
		if v.on.Load() || v.count.Load() != 0 || v.wait.Load() != 0 || v.size.Load() != 0 {
			t.Errorf("%q changed a value: %v", query, l.Read())
		}
	}
}

func TestFlags(t *testing.T) {
	l, v := newList()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	l.AddFlags(fs)
	if err := fs.Parse([]string{"-size", "64KiB", "-on=always"}); err != nil {
		t.Fatal(err)
	}
	if v.size.Load() != 64<<10 || !v.on.Load() {
		t.Errorf("values %v", l.Read())
	}
	if err := fs.Parse([]string{"-count", "none"}); err == nil {
		t.Error("bad flag accepted")
	}
}
