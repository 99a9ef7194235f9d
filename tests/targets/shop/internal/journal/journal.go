// Package journal writes a line about each request to a file.
package journal

import (
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// A request that takes longer is a warning.
const slowTime = 50 * time.Millisecond

// Journal is a file of JSON lines.
type Journal struct {
	// FlushLines is after how many lines the file is brought to disk; 0 leaves
	// that to the system.
	FlushLines atomic.Int64
	// Steps is how many more lines tell about each request.
	Steps atomic.Int64

	file   *os.File     // nil if nobody wants to read it
	logger *slog.Logger // calls Write one at a time
	lines  int64        // since the last flush; belongs to Write
}

// Open appends to the file from now on. To be called before the first Request.
func (j *Journal) Open(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	j.file = file
	j.logger = slog.New(slog.NewJSONHandler(j, nil))
	return nil
}

// Wanted tells whether there is a file.
func (j *Journal) Wanted() bool {
	return j.file != nil
}

// Request writes the line about a request, with the trace it belongs to, and
// those about its steps.
func (j *Journal) Request(path, trace string, took time.Duration) {
	if took > slowTime {
		j.logger.Warn("slow request for "+path, "took", took, "trace_id", trace)
	} else {
		j.logger.Info("request for "+path, "took", took, "trace_id", trace)
	}
	for step := range j.Steps.Load() {
		j.logger.Info("step of "+path, "step", step, "trace_id", trace)
	}
}

// Write takes a line from the logger.
func (j *Journal) Write(line []byte) (int, error) {
	n, err := j.file.Write(line)
	if err != nil {
		return n, err
	}
	j.lines++
	if every := j.FlushLines.Load(); every > 0 && j.lines >= every {
		j.lines = 0
		err = j.file.Sync()
	}
	return n, err
}

// Close closes the file. No Request may be under way.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
