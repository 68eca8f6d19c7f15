#!/usr/bin/env bash
# Builds the functions for arm64 and plays every event file with them, under emulation of the processor.
#
# It needs root on Debian: Debian's unstable distribution has a compiler with the standard library for arm64, so it gets
# a folder of its own, .tools/arm64 (2 GB). Nothing asks rustup for a target. Without root or Debian, one line says what
# is missing, and the exit code is 0.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
system=$PWD/.tools/arm64
target=aarch64-unknown-linux-gnu
functions=(pre-sign-up custom-message custom-email-sender custom-sms-sender attach)
log=.demo/arm64.log
mkdir -p .demo

skip() {
    echo "make arm64: skipped, because $1"
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip "only root can install Debian's compiler for arm64"
command -v apt-get >/dev/null || skip "this isn't Debian"
if ! command -v debootstrap >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends debootstrap qemu-user; } \
        >"$log" 2>&1 || skip "debootstrap and qemu-user can't be installed: $(tail -n 1 "$log")"
fi
unshare --mount true 2>/dev/null || skip "the kernel allows no mounts"

if [ ! -e "$system/complete" ]; then
    echo "Installing Debian's compiler for arm64 into .tools/arm64 (once, 2 GB, about 5 minutes)"
    rm -rf "$system"
    {
        debootstrap --variant=minbase \
            --include=ca-certificates,rustc,cargo,gcc,g++,cmake,make,python3,pkg-config,crossbuild-essential-arm64 \
            sid "$system" &&
            chroot "$system" dpkg --add-architecture arm64 &&
            # The clock of this machine may be ahead of the mirror.
            chroot "$system" apt-get --option Acquire::Check-Valid-Until=false update &&
            chroot "$system" apt-get install --yes --no-install-recommends libstd-rust-dev:arm64
    } >"$log" 2>&1 || skip "Debian's compiler can't be installed: $(tail -n 1 "$log")"
    mkdir -p "$system"/{repository,cargo}
    touch "$system/complete"
fi

# The crates come from the caller's cargo folder. The mounts end with the command, however it ends.
cargo fetch --locked --quiet
export repository system target
export crates=${CARGO_HOME:-$HOME/.cargo} packages="${functions[*]/#/--package }"
unshare --mount --propagation private bash -euo pipefail -c '
    mount --bind "$repository" "$system/repository"
    mount --bind "$crates" "$system/cargo"
    mount -t proc proc "$system/proc"
    exec chroot "$system" env --ignore-environment PATH=/usr/bin:/bin HOME=/root \
        CARGO_HOME=/cargo CARGO_INCREMENTAL=0 \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
        CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \
        AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
        sh -c "cd /repository && exec cargo build --release --locked --offline --bins \
            --target $target --target-dir target/arm64 $packages"
'

# Each function becomes a script that the tests start like the function itself.
for function in "${functions[@]}"; do
    folder=target/arm64/functions/$function
    mkdir -p "$folder"
    printf '#!/bin/sh\nexec %s -L %s %s\n' "$(command -v qemu-aarch64)" "$system/usr/aarch64-linux-gnu" \
        "$repository/target/arm64/$target/release/$function" >"$folder/bootstrap"
    chmod +x "$folder/bootstrap"
done
FUNCTIONS_DIR=$PWD/target/arm64/functions cargo test --workspace --locked --test it -- every_event_file
