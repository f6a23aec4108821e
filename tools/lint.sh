#!/usr/bin/env bash
# Checks the format (clang-format) and the code (clang-tidy) of all sources; --fix formats them instead.
# Usage: bash tools/lint.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/.."

fix=false
case "${1-}" in
  "") ;;
  --fix) fix=true ;;
  *) echo "usage: bash tools/lint.sh [--fix]" >&2; exit 2 ;;
esac

bash tools/setup.sh --dev

# Sources that git tracks or would track, without those deleted in the working tree.
mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp' '*.cu' |
  sort -u | while read -r file; do [[ -f $file ]] && echo "$file"; done)
((${#sources[@]} > 0)) || { echo "lint: git lists no sources here" >&2; exit 1; }

if $fix; then
  clang-format-19 -i "${sources[@]}"
  echo "lint: formatted ${#sources[@]} files"
  exit 0
fi

status=0
if clang-format-19 --dry-run -Werror "${sources[@]}"; then
  echo "lint: the format of ${#sources[@]} files is right"
else
  echo "lint: the format is wrong; 'bash tools/lint.sh --fix' puts it right"
  status=1
fi

cmake --preset release >/dev/null
python3 tools/tidy.py build/release || status=1
exit "$status"
