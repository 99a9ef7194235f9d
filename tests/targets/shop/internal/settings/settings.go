// Package settings is the list of values an operator can change at run time.
package settings

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// setting is one value. parse checks a text and returns what would apply it.
type setting struct {
	name  string
	help  string
	parse func(text string) (apply func(), err error)
	read  func() string
}

// List has all settings by name.
type List struct {
	mu     sync.Mutex // one change at a time
	byName map[string]setting
}

// New returns an empty list.
func New() *List {
	return &List{byName: make(map[string]setting)}
}

func (l *List) add(s setting) {
	l.byName[s.name] = s
}

// Names returns the names of all settings in order.
func (l *List) Names() []string {
	return slices.Sorted(maps.Keys(l.byName))
}

// Read returns all settings, as texts that Change accepts.
func (l *List) Read() map[string]string {
	values := make(map[string]string, len(l.byName))
	for name, s := range l.byName {
		values[name] = s.read()
	}
	return values
}

// Change checks all the values and, if all are good, applies them.
func (l *List) Change(values url.Values) error {
	if len(values) == 0 {
		return fmt.Errorf("no setting given; known are: %s", strings.Join(l.Names(), ", "))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var apply []func()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s, ok := l.byName[name]
		if !ok {
			return fmt.Errorf("unknown setting %q; known are: %s", name, strings.Join(l.Names(), ", "))
		}
		if len(values[name]) != 1 {
			return fmt.Errorf("setting %q is given %d times", name, len(values[name]))
		}
		f, err := s.parse(values[name][0])
		if err != nil {
			return fmt.Errorf("setting %q: %w", name, err)
		}
		apply = append(apply, f)
	}
	for _, f := range apply {
		f()
	}
	return nil
}

// AddFlags makes a flag of every setting, to be applied as soon as it is read.
func (l *List) AddFlags(fs *flag.FlagSet) {
	for _, name := range l.Names() {
		fs.Var(flagValue{l, name}, name, l.byName[name].help)
	}
}

type flagValue struct {
	list *List
	name string
}

func (v flagValue) Set(text string) error {
	return v.list.Change(url.Values{v.name: {text}})
}

func (v flagValue) String() string {
	if v.list == nil {
		return ""
	}
	return v.list.byName[v.name].read()
}
