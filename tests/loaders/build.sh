#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Python package's wheel, in build/wheel; with --tests also build/loaders/venv, with
# the wheel and what the tests want beside Debian's packages, build/loaders/site, with
# the wheel alone, and build/loaders/share, with the file that is loaded in the VM.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=/usr/bin/python3
prefix=$top/build/python/prefix

cmake --install "$top/build/release" --prefix "$prefix"
# Elsewhere: setuptools writes beside its sources.
rm -rf "$top/build/python/src" "$top/build/wheel"
cp -R "$top/python" "$top/build/python/src"
export PKG_CONFIG_PATH=$top/build/deps/liburing/lib/pkgconfig
for lib in "$prefix"/lib "$prefix"/lib/*/; do
	PKG_CONFIG_PATH=${lib%/}/pkgconfig:$PKG_CONFIG_PATH
done
(cd "$top/build/python/src" &&
	"$python" -m pip wheel --no-build-isolation --no-deps --wheel-dir "$top/build/wheel" .)
[[ ${1:-} == --tests ]] || exit 0

dir=$top/build/loaders
mkdir -p "$dir/share"
[[ -x $dir/venv/bin/python ]] || "$python" -m venv --system-site-packages "$dir/venv"
"$dir/venv/bin/python" -m pip install --no-deps --force-reinstall "$top"/build/wheel/devrx-*.whl
"$dir/venv/bin/python" -m pip install safetensors webdataset
rm -rf "$dir/site"
"$python" -m pip install --no-deps --target "$dir/site" "$top"/build/wheel/devrx-*.whl
[[ -e $dir/share/model.json ]] ||
	"$dir/venv/bin/python" "$top/tests/loaders/make_file.py" "$dir/share"
