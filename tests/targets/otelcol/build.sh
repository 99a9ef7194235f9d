#!/usr/bin/env bash
# build.sh: builds the OpenTelemetry Collector of builder.yaml with the Collector's own builder, from Go modules, unless
# the cache has it already, and prints its path. Three to four minutes of one core the first time, nothing later.
set -euo pipefail
manifest="$(cd "$(dirname "$0")" && pwd)/builder.yaml"
version=$(sed -n 's/^  version: //p' "$manifest")
cache="${LOADPROF_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/loadprof}/otelcol-$version"
if [ -x "$cache/otelcol" ] && cmp -s "$manifest" "$cache/builder.yaml"; then
    echo "$cache/otelcol"
    exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
./builder --config "$manifest" >&2
# The program first: whoever finds the manifest finds the program of it.
mv dist/otelcol "$cache/otelcol"
cp "$manifest" "$cache/builder.yaml"
echo "$cache/otelcol"
