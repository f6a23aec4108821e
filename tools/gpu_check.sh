#!/usr/bin/env bash
# Checks and measures everything on this machine's GPU, in under ten minutes, and writes bench/results/DEVICE-DATE.json.
# Usage: bash tools/gpu_check.sh [--device cuda|simt] [--full] [--output FOLDER] [--programs FOLDER]
#            builds in place, or takes the programs of a folder. simt runs the same checks on the CPU and measures nothing: a
#            part of them, or with --full all
#        bash tools/gpu_check.sh --package DIR
#            makes a folder that needs no compiler: `bash DIR/gpu_check.sh` on the machine with the GPU does the rest. CUDA's
#            libraries are not in it; they are found there, in the toolkit or in the nvidia-* wheels of Python
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

die() {
  echo "gpu_check: $*" >&2
  exit "${2:-1}"
}
usage() {
  sed -n 's/^# Usage: /usage: /p' "$0" >&2
  exit 2
}

device=cuda output='' package='' programs='' options=()
while (($# > 0)); do
  case "$1" in
    --device | --output | --package | --programs)
      (($# > 1)) || usage
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    --full)
      options+=("$1")
      shift
      ;;
    *) usage ;;
  esac
done
[[ $device =~ ^(cuda(:[0-9]+)?|simt)$ ]] || usage

max_package=$((50 << 20)) # bytes

# In a package everything is beside this script.
if [[ -x $here/bin/cuelbo ]]; then
  [[ -z $package ]] || die "this is a package already"
  exec python3 "$here/gpu_check.py" --device "$device" --programs "$here/bin" --libraries "$here/lib" \
    --peers "$here/peers" --output "${output:-$here/results}" "${options[@]}"
fi

invoked_in=$PWD
absolute() { [[ $1 == /* || -z $1 ]] && echo "$1" || echo "$invoked_in/$1"; }
programs=$(absolute "$programs") output=$(absolute "$output") package=$(absolute "$package")
cd "$here/.."
preset=release
[[ $device == simt && -z $package ]] || preset=cuda
if [[ -z $programs ]]; then
  programs=build/$preset/bin
  cmake --preset "$preset" >/dev/null
  targets=(cuelbo cuelbo_peer cuelbo_simt_module)
  [[ $preset == release ]] || targets+=(cuelbo_cuda_module)
  cmake --build --preset "$preset" --target "${targets[@]}"
fi

# Libraries of this machine that another one may not have: all but those of glibc and CUDA.
copy_libraries() {
  local folder=$1 library
  shift
  mkdir -p "$folder"
  ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r library; do
    case "${library##*/}" in
      libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | ld-linux* | libcu* | libnv*) ;;
      *) cp -L "$library" "$folder/" ;;
    esac
  done
}

if [[ -n $package ]]; then
  [[ ! -e $package || -z $(ls -A "$package") ]] || die "'$package' is there and is not empty"
  mkdir -p "$package/bin" "$package/peers"
  for file in cuelbo cuelbo_peer libcuelbo_cuda.so libcuelbo_simt.so; do
    if [[ -e $programs/$file ]]; then
      strip -o "$package/bin/$file" "$programs/$file"
    else
      echo "gpu_check: $programs has no $file; the package does without"
    fi
  done
  copy_libraries "$package/lib" "$package"/bin/*
  cp bench/peers/*.py bench/peers/*.toml "$package/peers/"
  cp tools/gpu_check.sh tools/gpu_check.py "$package/"
  size=$(du -sb "$package" | cut -f1)
  ((size <= max_package)) || die "'$package' has $size bytes, more than $max_package"
  echo "gpu_check: $package has $((size >> 20)) MiB; copy it to the machine with the GPU and run: bash $(basename "$package")/gpu_check.sh"
  exit
fi

exec python3 tools/gpu_check.py --device "$device" --programs "$programs" --peers bench/peers \
  --output "${output:-bench/results}" "${options[@]}"
