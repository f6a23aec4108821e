#!/usr/bin/env bash
# Builds with coverage, runs the tests and prints the line coverage of each folder.
# Usage: bash tools/coverage.sh [ctest option]…
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/coverage

bash tools/setup.sh --dev
cmake --preset coverage
cmake --build --preset coverage
find "$build" -name '*.gcda' -delete
status=0
ctest --preset coverage --progress --parallel "$(nproc)" "$@" || status=$?

gcovr --root . --object-directory "$build" --filter '(kernels|engine|models|tools)/' \
  --csv "$build/coverage.csv" "$build"
awk -F, '
  NR > 1 {
    folder = $1
    sub(/\/[^\/]*$/, "", folder)
    split(folder, parts, "/")
    lines[parts[1]] += $2; hit[parts[1]] += $3
    if (folder != parts[1]) { lines[folder] += $2; hit[folder] += $3 }
    total += $2; total_hit += $3
  }
  END {
    for (folder in lines)
      printf "%-32s %6d of %6d lines %6.1f %%\n", folder, hit[folder], lines[folder], 100 * hit[folder] / lines[folder] | "sort"
    close("sort")
    if (total > 0) printf "%-32s %6d of %6d lines %6.1f %%\n", "total", total_hit, total, 100 * total_hit / total
  }' "$build/coverage.csv"
exit "$status"
