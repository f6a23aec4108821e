#!/usr/bin/env bash
# Compares cuelbo with PyTorch, JAX and ONNX Runtime: figures go to bench/results/peers.json and bench/README.md.
# Usage: bash bench/peers/run.sh [option of measure.py]…
# With options, which may leave out cases, only the JSON file build/peers.json is written.
# The first run downloads the frameworks into build/peers-venv (on Linux with PyTorch's CUDA libraries, 3 GB).
set -euo pipefail
cd "$(dirname "$0")/../.."

help=false
for option in "$@"; do
  case "$option" in -h | --help) help=true ;; esac
done
if $help; then sed -n '2,/^set /s/^# \?//p' bench/peers/run.sh; fi
python3 bench/peers/options.py "$@" # says what is wrong with them before anything is downloaded
if $help; then exit 0; fi

venv=build/peers-venv
if [[ ! -e $venv/complete ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade \
    torch jax onnxruntime onnx onnxscript numpy safetensors
  touch "$venv/complete"
fi

cmake --preset release >/dev/null
cmake --build --preset release --target cuelbo_peer

output=bench/results/peers.json
[[ $# -eq 0 ]] || output=build/peers.json
"$venv/bin/python" bench/peers/measure.py --program build/release/bin/cuelbo_peer --cache build/peers-cache \
  --output "$output" "$@"
[[ $# -gt 0 ]] || "$venv/bin/python" bench/peers/write_table.py "$output" bench/README.md
