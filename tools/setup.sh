#!/usr/bin/env bash
# Installs what is missing: the Debian packages that building and testing need, with --dev also what checks the sources
# and reads our files in Python (into build/venv), and, where there is no CUDA toolkit, NVIDIA's headers or (--cuda)
# compiler and libraries from PyPI, into build/cuda-toolkit.
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
dev_packages=(clang-19 clang-format-19 gcovr)

dev=false cuda=false
for option in "$@"; do
  case "$option" in
    --dev) dev=true packages+=("${dev_packages[@]}") ;;
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
# still builds everything else. Versions are those of CUDA 13.0.
install_cuda() {
  local site='build/cuda-toolkit/lib/python3*/site-packages/nvidia' wheels=()
  have() {  # a file of the toolkit, of the system or of a wheel
    local root
    for root in "${CUDA_PATH:-/usr/local/cuda}" /usr "$site/cu13" "$site/cudnn"; do
      if compgen -G "$root/$1" >/dev/null; then return; fi
    done
    return 1
  }
  local headers=('nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-crt==13.0.*')
  if $cuda; then
    command -v nvcc >/dev/null || have bin/nvcc ||
      wheels+=("${headers[@]}" 'nvidia-cuda-nvcc==13.0.*' 'nvidia-nvvm==13.0.*')
    have include/cublasLt.h || wheels+=('nvidia-cublas==13.0.*')
    have include/curand.h || wheels+=('nvidia-curand==10.4.0.*')
    have include/cudnn.h || have 'include/*/cudnn.h' || wheels+=('nvidia-cudnn-cu13==9.*')
    have include/cccl/cub/cub.cuh || wheels+=('nvidia-cuda-cccl==13.0.*')
    # Not among the wheels of 13.0; later ones read its files.
    command -v cuobjdump >/dev/null || have bin/cuobjdump ||
      wheels+=('nvidia-cuda-cuobjdump==13.*' 'nvidia-cuda-nvdisasm==13.*')
  else
    have include/cuda_runtime_api.h || wheels=("${headers[@]}")
  fi
  if ((${#wheels[@]} == 0)); then
    if $cuda; then echo "setup: the CUDA toolkit and its libraries are installed"; fi
    return
  fi
  echo "setup: installing ${wheels[*]} into build/cuda-toolkit"
  if ! { [[ -x build/cuda-toolkit/bin/python ]] || python3 -m venv build/cuda-toolkit; } ||
    ! build/cuda-toolkit/bin/pip install --quiet --disable-pip-version-check --no-deps "${wheels[@]}"; then
    echo "setup: could not install them; what needs them is left out" >&2
    ! $cuda
    return
  fi
  # The names that linkers look for are not in the wheels.
  local file
  for file in $site/{cu13,cudnn}/lib/lib*.so.*; do
    if [[ -e $file && ! -e ${file%.so.*}.so ]]; then ln -s "$(basename "$file")" "${file%.so.*}.so"; fi
  done
}

install_venv() {
  [[ -x build/venv/bin/python ]] || python3 -m venv build/venv
  build/venv/bin/pip install --quiet --disable-pip-version-check -r tools/dev-requirements.txt
}

install_packages
install_cuda
if $dev; then install_venv; fi
