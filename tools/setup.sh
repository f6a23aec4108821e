#!/usr/bin/env bash
# Installs what is missing: the Debian packages that building, testing and (--dev) checking the sources need, and, where
# there is no CUDA toolkit, NVIDIA's headers or (--cuda) compiler from PyPI, into build/cuda-toolkit.
# Usage: bash tools/setup.sh [--dev] [--cuda]
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ cmake ninja-build ccache pkg-config git
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev
  libzip-dev zlib1g-dev libpng-dev libjpeg62-turbo-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-venv
  dataset-fashion-mnist
)
dev_packages=(clang-19 clang-format-19 clang-tidy-19 gcovr)

cuda=false
for option in "$@"; do
  case "$option" in
    --dev) packages+=("${dev_packages[@]}") ;;
    --cuda) cuda=true ;;
    *) echo "usage: bash tools/setup.sh [--dev] [--cuda]" >&2; exit 2 ;;
  esac
done

install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "setup: no apt-get here, nothing installed; the Debian packages to match are: ${packages[*]}"
    return
  fi

  local missing=() package status
  for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "setup: all ${#packages[@]} packages are installed"
    return
  fi

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "setup: missing ${missing[*]}; installing needs root or sudo" >&2
      exit 1
    fi
    as_root=(sudo)
  fi

  echo "setup: installing ${missing[*]}"
  apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
  }
  apt_get update || echo "setup: the package lists could not all be refreshed; trying with what is there"
  apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null
  echo "setup: installed ${#missing[@]} packages"
}

# The kernels are executed on the CPU with the headers alone, so these are always wanted; a machine that cannot get them
# still builds everything else.
install_cuda() {
  local toolkit=${CUDA_PATH:-/usr/local/cuda} wheels=(nvidia-cuda-runtime nvidia-cuda-crt)
  if $cuda; then
    if command -v nvcc >/dev/null || [[ -x $toolkit/bin/nvcc ]]; then
      echo "setup: the CUDA toolkit is installed"
      return
    fi
    wheels+=(nvidia-cuda-nvcc nvidia-nvvm)
  elif [[ -e $toolkit/include/cuda_runtime_api.h ]]; then
    return
  fi
  if compgen -G 'build/cuda-toolkit/lib/python3*/site-packages/nvidia/cu13/include/cuda_runtime_api.h' >/dev/null &&
    { ! $cuda || compgen -G 'build/cuda-toolkit/lib/python3*/site-packages/nvidia/cu13/bin/nvcc' >/dev/null; }; then
    return
  fi
  echo "setup: installing ${wheels[*]} 13.0 into build/cuda-toolkit"
  if ! { [[ -x build/cuda-toolkit/bin/python ]] || python3 -m venv build/cuda-toolkit; } ||
    ! build/cuda-toolkit/bin/pip install --quiet --disable-pip-version-check "${wheels[@]/%/==13.0.*}"; then
    echo "setup: could not install them; what needs CUDA's headers is left out" >&2
    ! $cuda
    return
  fi
  # The name that linkers look for is not in the wheel.
  local folder
  for folder in build/cuda-toolkit/lib/python3*/site-packages/nvidia/cu13/lib; do
    ln -sf libcudart.so.13 "$folder/libcudart.so"
  done
}

install_packages
install_cuda
