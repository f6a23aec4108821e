#!/usr/bin/env bash
# Trains an HFVAE on dSprites, evaluates it and writes run/demo/report.html. Installs and builds what is missing.
# Usage: bash tools/demo.sh [--steps N]
set -euo pipefail
cd "$(dirname "$0")/.."

steps=1200
if [[ ${1-} == --steps && ${2-} =~ ^[1-9][0-9]*$ && $# -eq 2 ]]; then
  steps=$2
elif (($# > 0)); then
  echo "usage: bash tools/demo.sh [--steps N]" >&2
  exit 2
fi
output=run/demo
cuelbo=build/release/bin/cuelbo

if [[ -e $output && ! -f $output/config.toml ]]; then
  echo "demo: $output is there and is not a run of cuelbo (no config.toml); move it away" >&2
  exit 1
fi

bash tools/setup.sh

echo "demo: building"
cmake --preset release
cmake --build --preset release --target cuelbo
built=$SECONDS

rm -rf "$output"
echo "demo: training the preset hfvae-dsprites for $steps steps"
"$cuelbo" train hfvae-dsprites --output "$output" --steps "$steps"
echo "demo: evaluating"
"$cuelbo" evaluate "$output"
"$cuelbo" report "$output"

echo "demo: done in $SECONDS s ($built s for setting up and building); open $output/report.html"
