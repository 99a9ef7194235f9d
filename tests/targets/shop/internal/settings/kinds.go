package settings

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Always adds a setting that is "always" or "never".
func (l *List) Always(name, help string, v *atomic.Bool) {
	l.add(setting{
		name: name,
		help: help + ": never or always",
		parse: func(text string) (func(), error) {
			if text != "always" && text != "never" {
				return nil, fmt.Errorf("%q is neither never nor always", text)
			}
			return func() { v.Store(text == "always") }, nil
		},
		read: func() string {
			if v.Load() {
				return "always"
			}
			return "never"
		},
	})
}

// Int adds a whole number between low and high.
func (l *List) Int(name, help string, low, high int, get func() int, set func(int)) {
	l.add(setting{
		name: name,
		help: help,
		parse: func(text string) (func(), error) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, fmt.Errorf("%q is not a whole number", text)
			}
			if n < low || n > high {
				return nil, fmt.Errorf("%d is not between %d and %d", n, low, high)
			}
			return func() { set(n) }, nil
		},
		read: func() string { return strconv.Itoa(get()) },
	})
}

// Count adds a whole number between low and high that is kept in v.
func (l *List) Count(name, help string, low, high int, v *atomic.Int64) {
	l.Int(name, help, low, high,
		func() int { return int(v.Load()) },
		func(n int) { v.Store(int64(n)) })
}

// Duration adds a duration of at most high that is kept in v.
func (l *List) Duration(name, help string, high time.Duration, v *atomic.Int64) {
	l.add(setting{
		name: name,
		help: help,
		parse: func(text string) (func(), error) {
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, fmt.Errorf("%q is not a duration such as 20ms", text)
			}
			if d < 0 || d > high {
				return nil, fmt.Errorf("%s is not between 0s and %s", d, high)
			}
			return func() { v.Store(int64(d)) }, nil
		},
		read: func() string { return time.Duration(v.Load()).String() },
	})
}

// Size adds a number of bytes of at most high that is kept in v.
func (l *List) Size(name, help string, high int64, v *atomic.Int64) {
	l.add(setting{
		name: name,
		help: help,
		parse: func(text string) (func(), error) {
			n, err := parseSize(text)
			if err != nil {
				return nil, err
			}
			if n < 0 || n > high {
				return nil, fmt.Errorf("%s is not between 0 and %s", text, formatSize(high))
			}
			return func() { v.Store(n) }, nil
		},
		read: func() string { return formatSize(v.Load()) },
	})
}

var units = []struct {
	name  string
	bytes int64
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(text string) (int64, error) {
	number, factor := text, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, factor = rest, u.bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size such as 65536, 64KiB or 1MiB", text)
	}
	return n * factor, nil
}

func formatSize(n int64) string {
	for _, u := range units {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
