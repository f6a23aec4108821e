#!/usr/bin/env bash
# Writes docs/ladders/, the pages that show each operation's kernels from the obvious one to the best; three minutes.
# Registers and instructions need nvcc: bash tools/setup.sh --cuda. Usage: bash tools/ladders.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-docs/ladders}
cmake --preset release >/dev/null
cmake --build --preset release --target cuelbo cuelbo_simt_checked_module
cmake --preset cuda >/dev/null
cmake --build --preset cuda --target cuelbo_cuda_module
build/release/bin/cuelbo kernels report -o "$folder"
