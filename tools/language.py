"""Finds words that the project's texts must not use. CONTRIBUTING.md has the rules.

    python tools/language.py             every finding, and exit code 1 if there is one
    python tools/language.py --summary   the number of findings in each file

It reads comments and string literals of Rust, all of Python and of the template, and some Markdown pages.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A pattern, and what to write instead. Patterns ignore case.
BANNED = [
    # Name the actor.
    (r"\b(?:some|no|any|every)body\b", "name the actor: user, attacker, operator, another function"),
    (r"\bwhoever\b", "name the actor"),
    (r"\bof (?:somebody|someone) else\b", "name the actor"),
    (r"\bnone of ours\b", "name the resource"),
    (r"\bof others\b", "name the actor: another function's"),
    (r"\bone's own\b", "name the actor: your own, the operator's own"),
    # Services accept, reject, return, throttle and time out; you set a setting.
    (r"\b(?:take|takes|taking|taken|took) (?:the|a|no) (?:message|request|call)s?\b", "accept, reject"),
    (r"\b(?:is|are|was|were|be|been) asked\b", "say which call is made, or what the setting requires"),
    (r"\b(?:is|are|was|were|be|been) told\b", "say what is passed or returned"),
    (r"\b(?:gave|gives|got|give) (?:no|an) answer\b", "return, did not respond, timed out"),
    (r"\bmay not (?:do|be (?:asked|read|described|invoked|changed))\b", "access denied, lack the permission"),
    (r"\bslower pace\b", "throttled"),
    (r"\bsays otherwise\b", "unless NAME=VALUE"),
    # if, because, except, instead of.
    (r"\bbut for\b", "except"),
    (r"\bin (?:the|its|their) place of\b", "instead of"),
    (r"\bfor (?:it|that) (?:is|would|has)\b", "because"),
    (r"\b(?:none|nothing) but\b", "only"),
    (r"\ball the same\b", "nevertheless, anyway"),
    (r"\bout of reach\b", "can't be read"),
    # Common verbs.
    (r"\bmend(?:s|ed|ing)?\b", "fix"),
    (r"\bput(?:s|ting)? back\b", "restore"),
    (r"\b(?:take|takes|taken|taking|took) (?:\w+ )?off\b", "remove, detach"),
    (r"\b(?:give|gives|gave|given|giving) back\b", "return, make visible again"),
    (r"\b(?:deal|deals|dealt|dealing) with\b", "handle"),
    (r"\bleft alone\b", "stays, unchanged"),
    (r"\b(?:make|makes|made|making) up\b", "generate, invent"),
    (r"\b(?:see|sees|saw) to it\b", "a test checks, the stack ensures"),
    (r"\b(?:stand|stands|stood) in\b", "is in, replaces"),
    (r"\bset apart\b", "reserved"),
    (r"\bonce more\b", "again"),
    (r"\btime (?:is|was) up\b", "timed out"),
    (r"\b(?:to|can|could not|cannot) be had\b", "available, can't load"),
    (r"\brehears\w+", "dry run"),
    (r"\bfor (?:good|ever)\b", "permanently"),
    (r"\bdearer\b", "more expensive"),
    (r"\bend(?:s|ed)? well\b", "succeed"),
    # AWS's words.
    (r"\be-mails?\b", "email"),
    (r"\buser names?\b", "username"),
    (r"\bstand-ins?\b", "emulator or mock"),
    (r"\bwriters? of codes\b", "custom sender trigger"),
    (r"\bqueue of failed events\b", "on-failure destination"),
    (r"\bdead letters?\b", "on-failure destination, failed event"),
    (r"\bsecond factors?\b", "MFA code, MFA"),
    (r"\bcodes? for signing in\b", "MFA code, one-time password"),
    (r"\bSMS guards?\b|\bfences?\b", "SMS limits"),
    (r"\bencrypted under\b", "encrypted with"),
    (r"\bE\.164 form\b", "E.164 format"),
    (r"\bsandbox\b", "production access"),
    (r"\bspending limit\b", "SMS spend limit"),
    (r"\btake-?over notices?\b", "account takeover notification"),
    (r"\bown message templates?\b", "template override"),
    (r"\bturns over by itself\b", "rotation is on"),
    # American spelling.
    (r"\bcancell(?:ed|ing)\b", "canceled, canceling"),
    (r"\bbehaviours?\b", "behavior"),
    (r"\blicences?\b", "license"),
    (r"\bcolours?\b", "color"),
    (r"\bneighbou?rs?\b(?<!neighbor)(?<!neighbors)", "neighbor"),
    (r"\b(?:favour|honour|catalogue|programme|judgement|whilst|amongst)\w*", "American spelling"),
    (r"\b(?:recogn|normal|organ|serial|author|initial|optim|minim|maxim)is(?:e|es|ed|ing|ation)\w*", "...ize"),
]

# File, and the part of a line that may stay although a pattern matches.
EXCEPTIONS = [
    ("crates/cli/src/doctor", "sandbox"),  # `put-account-details` lifts what the SES console calls the sandbox
    ("", "SNS sandbox"),
    ("", "SMS sandbox"),
    ("", "the sandbox of"),
    ("", "Sandbox.Timedout"),  # Lambda's error type
    ("", '"SANDBOX"'),  # a value of `ACCOUNT_TIER`
    ("", '"mends"'),  # a name in the JSON output, which programs read
    ("crates/cli/src/doctor/history/old_lines.rs", ""),  # what functions of version 0.1.0 log
    ("tests/it/cli_doctor_history.rs", '"sent an e-mail"'),
    ("tests/it/cli_doctor_history.rs", "did not send a message: "),
    ("tests/it/cli_doctor_history.rs", "refused: "),
    ("crates/cli/src/explain.rs", "code-for-everybody"),
]

# Pages that get their new text later. This list only shrinks.
PAGES = [
    "README.md",
    "SECURITY.md",
    "docs/benchmarks.md",
    "docs/configuration.md",
    "docs/flows.md",
    "docs/operating.md",
    "docs/reliability.md",
    "docs/sign-up-guard.md",
    "docs/sms-pumping.md",
    "docs/troubleshooting.md",
]
# Recorded data, generated lists, text for users in other languages, and this list itself.
NOT_OURS = ("tools/language.py", "tools/tests/test_language.py", "tools/requirements", "shared/src/phone_table.rs")

_PATTERNS = [(re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in BANNED]
# In this order: a comment, a raw string, a string, a character literal or lifetime (not text).
_RUST = re.compile(
    r"//[^\n]*|/\*.*?\*/|r(?P<hashes>#*)\".*?\"(?P=hashes)|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL
)


def texts(path, source):
    """Pairs of line number and line: what people read of a file."""
    if path.suffix == ".rs":
        for token in _RUST.finditer(source):
            if not token.group().startswith("'"):
                first = source.count("\n", 0, token.start()) + 1
                yield from enumerate(token.group().split("\n"), first)
    elif path.parent.name == "adr" and path.suffix == ".md":
        yield from list(enumerate(source.split("\n"), 1))[:1]
    else:
        yield from enumerate(source.split("\n"), 1)


def findings(name, source):
    """Triples of line number, banned text and advice."""
    for number, line in texts(Path(name), source):
        for pattern, advice in _PATTERNS:
            for found in pattern.finditer(line):
                if not any(name.startswith(start) and part in line for start, part in EXCEPTIONS):
                    yield number, found.group(), advice


def files(root=ROOT):
    """All files that the check reads, as pairs of name and text."""
    found = [root / name for name in ("template.yaml", "Makefile", "Cargo.toml", "CHANGELOG.md", "CONTRIBUTING.md")]
    for folder in ("shared", "crates", "functions", "tests"):
        found += [path for path in (root / folder).rglob("*") if path.suffix == ".rs" or path.name == "Cargo.toml"]
    found += [path for folder in ("tools", ".github") for path in (root / folder).rglob("*") if path.is_file()]
    found.append(root / ".ci" / "run")
    found += (root / "docs").rglob("*.md")
    found += [
        path for folder in ("shared", "crates", "functions", "tests") for path in (root / folder).rglob("Cargo.toml")
    ]
    for path in sorted(set(found)):
        name = path.relative_to(root).as_posix()
        built = any(part in ("target", "__pycache__", "node_modules", "cache") for part in Path(name).parts)
        if path.exists() and not built and not name.startswith((*PAGES, *NOT_OURS)):
            if path.suffix in (".rs", ".py", ".md", ".mjs", ".toml", ".yaml", ".yml", ".sh", "") or ".in" in path.name:
                yield name, path.read_text()


def main(arguments):
    count = 0
    for name, source in files():
        here = list(findings(name, source))
        count += len(here)
        if "--summary" in arguments:
            if here:
                print(f"{len(here):5}  {name}")
        else:
            for number, text, advice in here:
                print(f'{name}:{number}: "{text}": {advice}')
    print(f"{count} findings")
    return 1 if count and "--summary" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
