#!/usr/bin/env bash
# Installs the Debian packages that building, testing and (--dev) checking the sources need; only what is missing.
# Usage: bash tools/setup.sh [--dev]
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config git
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev
  libzip-dev zlib1g-dev libpng-dev libjpeg62-turbo-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  python3 python3-venv
  dataset-fashion-mnist
)
dev_packages=(clang-19 clang-format-19 clang-tidy-19 gcovr)

case "${1-}" in
  "") ;;
  --dev) packages+=("${dev_packages[@]}") ;;
  *) echo "usage: bash tools/setup.sh [--dev]" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "setup: no apt-get here, nothing installed; the Debian packages to match are: ${packages[*]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
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
