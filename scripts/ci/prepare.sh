#!/usr/bin/env bash
# Makes a container of Debian ready for the cross toolchain, which takes zig from PyPI.
set -euo pipefail
python3 -m pip --version >/dev/null 2>&1 && exit
apt-get -q update
apt-get -q install --yes --no-install-recommends python3-pip
