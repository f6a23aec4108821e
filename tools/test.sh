#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests.
# --full adds the checks of the sources, the sanitizers, every instruction set that this CPU has, CUDA for all architectures,
# Python readers and the demo.
# Usage: bash tools/test.sh [--full]
set -uo pipefail
cd "$(dirname "$0")/.."

full=false
case "${1-}" in
  "") ;;
  --full) full=true ;;
  *) echo "usage: bash tools/test.sh [--full]" >&2; exit 2 ;;
esac

results=build/test-results
venv=build/venv
stages=0 passed=0 skipped=0 failed=0
failures=()
timings=()
launcher=()

# cpu_seconds: sets `cpu` to the processor time of all that has ended, in seconds.
cpu_seconds() {
  times >"$results/times" # not in a pipe, whose shell has no children
  cpu=$(awk 'NR == 2 { gsub("[ms]", " "); print int($1 * 60 + $2 + $3 * 60 + $4) }' "$results/times")
}

# stage <name> <command>…: runs the command and remembers whether it failed.
stage() {
  local name=$1 start=$SECONDS cpu status=0
  shift
  cpu_seconds
  local cpu_start=$cpu
  stages=$((stages + 1))
  printf '\n=== %s: %s\n' "$name" "$*"
  "$@" || status=1
  cpu_seconds
  timings+=("$(printf '%-12s %5d s %6d s of processor time' "$name" $((SECONDS - start)) $((cpu - cpu_start)))")
  if ((status == 0)); then
    printf '=== %s: passed in %d s\n' "$name" $((SECONDS - start))
  else
    failures+=("$name")
    printf '=== %s: FAILED after %d s\n' "$name" $((SECONDS - start))
  fi
  return "$status"
}

build() {
  local preset=$1
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" "$@"
}

# run_tests <name> <preset> <ctest option>…: runs tests and adds their numbers to the totals.
run_tests() {
  local name=$1 preset=$2 report=$PWD/$results/$1.xml status=0
  shift 2
  rm -f "$report"
  "${launcher[@]}" ctest --preset "$preset" --progress --parallel "$(nproc)" --output-junit "$report" "$@" || status=$?
  local all bad skip
  all=$(count "$report" tests) bad=$(count "$report" failures) skip=$(count "$report" skipped)
  passed=$((passed + all - bad - skip)) skipped=$((skipped + skip)) failed=$((failed + bad))
  return "$status"
}

# count <JUnit file> <attribute>: the number in the head of the file, 0 if there is none.
count() {
  local number
  number=$(grep -m1 -oP "^\s*$2=\"\K[0-9]+" "$1" 2>/dev/null)
  echo "${number:-0}"
}

# The program reports the instruction sets of this CPU. kernels_tests goes through all of them by itself; other tests use
# the fastest one unless told otherwise.
isas=(avx512_bf16 avx512 avx2 baseline)
usable_isas=()
missing_isas=()
find_isas() {
  local isa
  for isa in "${isas[@]}"; do
    if CUELBO_ISA=$isa build/release/bin/cuelbo devices >/dev/null 2>&1; then
      usable_isas+=("$isa")
    else
      missing_isas+=("$isa")
    fi
  done
}

other_isas() {
  local isa status=0
  for isa in "${usable_isas[@]:1}"; do
    CUELBO_ISA=$isa run_tests "isa-$isa" release --tests-regex '^(engine|models)_tests\.' || status=1
  done
  return "$status"
}

# The code of AVX-512 with its vectors emulated.
emulated_isa() {
  build emulated --target kernels_tests && run_tests emulated emulated --tests-regex '^kernels_tests\.'
}

# ThreadSanitizer of g++ 12 does not start under the address randomisation of some kernels.
threads_tests() {
  local launcher=()
  setarch "$(uname -m)" --addr-no-randomize true 2>/dev/null && launcher=(setarch "$(uname -m)" --addr-no-randomize)
  run_tests tsan tsan --tests-regex '^((kernels|engine)_tests|models_tests\.Loader)\.'
}

# nvcc refuses warnings, spills and local memory. Without a GPU the program has to say what is missing.
cuda_device() {
  local cuelbo=build/cuda/bin/cuelbo output status=0
  build cuda --target cuelbo cuelbo_cuda_module || return 1
  CUELBO_MODULE_PATH=build/cuda/bin build/release/bin/lab_tests --gtest_filter='CompilerReport.*' || return 1
  "$cuelbo" devices || return 1
  "$cuelbo" devices | grep -q '^cuda *usable' && return 0
  output=$("$cuelbo" train hfvae-dsprites --device cuda --steps 1 --output build/cuda/run 2>&1) || status=$?
  printf '%s\n' "$output"
  ((status == 1)) && [[ $output == *"NVIDIA driver"* && ! -e build/cuda/run ]]
}

mkdir -p "$results"
if $full; then
  stage setup bash tools/setup.sh --dev --cuda
else
  stage setup bash tools/setup.sh
fi
[[ -x $venv/bin/python ]] && export CUELBO_TEST_PYTHON=$PWD/$venv/bin/python

if stage build build release; then
  # In CI, gpu-check runs `kernels check`.
  if $full; then
    stage tests run_tests release release --exclude-regex '^kernels_check\.simt$'
  else
    stage tests run_tests release release
  fi
  if $full; then
    find_isas
    stage isas other_isas
    [[ " ${missing_isas[*]} " != *" avx512 "* || " ${missing_isas[*]} " == *" avx2 "* ]] || stage emulated emulated_isa
  fi
fi
if $full; then
  stage cuda cuda_device
  stage gpu-check bash tools/gpu_check.sh --device simt --full --output build/gpu-check
  stage lint bash tools/lint.sh
  stage asan-build build asan && stage asan run_tests asan asan
  stage tsan-build build tsan --target kernels_tests engine_tests models_tests && stage tsan threads_tests
  stage demo bash tools/demo.sh --steps 100
fi

printf '\n'
printf '%s\n' "${timings[@]}"
in_words() { printf ', %s' "$@" | cut -c3-; }
((${#usable_isas[@]} == 0)) || printf 'executed: %s\n' "$(in_words "${usable_isas[@]}")"
((${#missing_isas[@]} == 0)) || printf 'not executed here: %s\n' "$(in_words "${missing_isas[@]}")"
printf '%d tests passed, %d skipped, %d failed; %d stages, %d failed' \
  "$passed" "$skipped" "$failed" "$stages" "${#failures[@]}"
((${#failures[@]} == 0)) || printf ' (%s)' "${failures[*]}"
printf '; %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
((${#failures[@]} == 0))
