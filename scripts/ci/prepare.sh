#!/usr/bin/env bash
# Makes a container of Debian ready for the cross toolchain: its Python has no module for virtual environments.
set -euo pipefail
python3 -c 'import venv, ensurepip' 2>/dev/null && exit
apt-get -q update
apt-get -q install --yes --no-install-recommends python3-venv
