#!/bin/sh
# Installs the pinned tools into .tools/, which git ignores: nothing outside this folder is touched.
# A second run finds that nothing has changed and ends at once. Needs Rust, Python 3.10+ and Node 20+.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

# Everything that is missing is named in one go.
missing=0
need() {
    missing=1
    echo "missing: $1" >&2
}
version_at_least() { # version_at_least 3.11.7 3.10
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || [ -z "$found" ]; then
    need "Rust $rust or newer (cargo is not on the PATH): see rustup.rs"
elif ! version_at_least "$found" "$rust"; then
    need "Rust $rust or newer (cargo is $found): rustup update stable"
fi
if ! found=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null); then
    need "Python 3.10 or newer ($python does not run; set PYTHON to one that does)"
elif ! version_at_least "$found" 3.10; then
    need "Python 3.10 or newer ($python is $found; set PYTHON to a newer one)"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "Python's venv module (Debian and Ubuntu: apt install python3-venv)"
fi
if ! found=$(node --version 2>/dev/null); then
    need "Node 20 or newer (node is not on the PATH)"
elif ! version_at_least "${found#v}" 20; then
    need "Node 20 or newer (node is ${found#v})"
fi
command -v npm >/dev/null || need "npm, which comes with Node"
command -v cc >/dev/null || need "a C compiler and linker (Debian and Ubuntu: apt install build-essential)"
[ "$missing" -eq 0 ] || exit 1

mkdir -p .tools
if command -v flock >/dev/null; then
    exec 9>.tools/lock # two runs at the same time would tread on each other
    flock 9
fi
state=$({ "$python" --version; node --version; pwd; cat tools/setup.sh tools/requirements.txt tools/package-lock.json tools/.npmrc; } | cksum)
if [ "$(cat .tools/stamp 2>/dev/null)" = "$state" ]; then
    exit 0
fi

echo "Installing the pinned tools into .tools/ (once, about 950 MB)"
rm -rf .tools/stamp .tools/venv .tools/node
"$python" -m venv .tools/venv
# The list is complete, so pip has nothing to resolve; it refuses a file whose hash is not in the list.
.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
    --no-deps --require-hashes --requirement tools/requirements.txt
mkdir -p .tools/node
cp tools/package.json tools/package-lock.json tools/.npmrc .tools/node/
(cd .tools/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
printf '%s\n' "$state" >.tools/stamp
