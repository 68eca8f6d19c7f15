"""Checks that each built function can run where the built template deploys it, and exits with 1 if one can't.

    python tools/check_build.py [FOLDER]    .aws-sam/build by default
"""

import os
import re
import struct
import sys
from pathlib import Path

from samcli.lib.providers.sam_base_provider import SamBaseProvider
from template import ROOT, read

# `e_machine` of the ELF header; source: elf.h.
MACHINES = {62: "x86_64", 183: "arm64"}
# The minor version of the C library 2.x in provided.al2023;
# source: https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
GLIBC = 34


def faults(folder):
    """What keeps the functions of a build from starting, one sentence each."""
    for name, resource in SamBaseProvider.get_template(read(folder / "template.yaml"))["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            file = folder / properties["CodeUri"] / "bootstrap"
            for fault in _faults(file.read_bytes(), properties["Architectures"]):
                yield f"{os.path.relpath(file)} {fault}, so {name} would not start"


def _faults(binary, architectures):
    header = struct.unpack_from("<4s14xH", binary.ljust(20, b"\0"))
    machine = MACHINES.get(header[1]) if header[0] == b"\x7fELF" else None
    if machine is None:
        yield "is no program for x86_64 or arm64"
    elif [machine] != architectures:
        yield f"is built for {machine}, but template.yaml deploys it to {', '.join(architectures)}"
    newest = max((int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", binary)), default=0)
    if newest > GLIBC:
        yield f"needs the C library 2.{newest}, but provided.al2023 has 2.{GLIBC}"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".aws-sam" / "build"
    found = list(faults(folder))
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        print("Set Architectures in template.yaml, and build again with `make build`.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
