#!/bin/sh
# Makes the profiles and what `go tool pprof` says about them. Needs Go 1.26.
set -eu
cd "$(dirname "$0")/.."
(cd gen && go run . ..)
top() {
  out=$1
  shift
  go tool pprof -symbolize=none -top -nodefraction=0 "$@" 2>/dev/null | sed '/^File:/d;/^Build ID:/d' >"$out"
}
top cpu-1.top -unit=ns cpu-1.pb.gz
top cpu-merged.top -unit=ns cpu-1.pb.gz cpu-2.pb.gz
top mutex-1.top -sample_index=delay -unit=ns mutex-1.pb.gz
top mutex-delta.top -sample_index=delay -unit=ns -base mutex-1.pb.gz mutex-2.pb.gz
top contentions-delta.top -sample_index=contentions -base mutex-1.pb.gz mutex-2.pb.gz
top goroutine.top goroutine.pb.gz
top heap-alloc_space.top -sample_index=alloc_space -unit=B heap.pb.gz
top heap-inuse_objects.top -sample_index=inuse_objects heap.pb.gz
