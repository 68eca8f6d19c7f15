"""Writes the list of disposable email domains that shared/src/disposable.rs reads, and its date.

The list comes from the project disposable-email-domains, which dedicates it to the public domain (CC0 1.0).
tools/setup.sh installs it as the Python package of the same name:

    .tools/venv/bin/python tools/disposable_domains.py            # writes the list
    .tools/venv/bin/python tools/disposable_domains.py --check    # writes nothing, exits 1 if a file differs

For a newer list change PINNED, RELEASED and tools/requirements.in together.
"""

import argparse
import datetime
import pathlib
import re
import sys
from importlib.metadata import version

from disposable_email_domains import blocklist

PINNED = "0.0.293"
RELEASED = datetime.date(2026, 11, 9)  # the day of that version on PyPI
ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "shared/data/disposable_domains.txt"
DATE = ROOT / "shared/data/disposable_domains_date.txt"

# What a domain looks like in the canonical form of shared/src/domain.rs.
CANONICAL = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+(?!\d+$)[a-z0-9_-]{1,63}")


def domains():
    """The listed domains, without those whose parent is listed too."""
    odd = sorted(domain for domain in blocklist if not CANONICAL.fullmatch(domain) or len(domain) > 253)
    if odd:
        sys.exit(f"not in canonical form: {', '.join(odd)}")
    parents = lambda domain: (domain.split(".", n)[n] for n in range(1, domain.count(".")))
    # By bytes, as Rust compares.
    return sorted(domain for domain in blocklist if not any(parent in blocklist for parent in parents(domain)))


def main():
    arguments = argparse.ArgumentParser(description="Write the list of disposable email domains, or check it.")
    arguments.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    options = arguments.parse_args()
    if version("disposable-email-domains") != PINNED:
        sys.exit(f"disposable-email-domains {PINNED} is pinned here, {version('disposable-email-domains')} is installed")
    files = {LIST: "".join(f"{domain}\n" for domain in domains()), DATE: str(RELEASED)}
    for path, text in files.items():
        if not options.check:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"not what the generator writes: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
