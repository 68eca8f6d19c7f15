"""Writes the table that tells the country of a phone number, and the vectors that test it.

The facts come from libphonenumber's metadata, through the Python package `phonenumbers`, which
tools/setup.sh installs:

    .tools/venv/bin/python tools/phone_table.py            # writes the table and the vectors
    .tools/venv/bin/python tools/phone_table.py --check    # writes nothing, exits 1 when a file differs
    .tools/venv/bin/python tools/phone_table.py --check --samples 400    # compares more numbers, a minute

Both first compare the table with libphonenumber's own functions and stop where these disagree.
For newer metadata change PINNED and tools/requirements.in together.

libphonenumber decides with about 1,400 regular expressions. They know only literals, classes, groups,
alternatives, `?` and `{m,n}`, so every calling code can be walked digit by digit with derivatives
(Brzozowski, 1964), and at every prefix it is known exactly which answers are still possible. The walk stops
where one answer is left for each length of number. What results is a list of boundaries on the number line.
"""

import argparse
import bisect
import json
import pathlib
import random
import sys
from functools import cache
from importlib.metadata import version

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
    number_type,
    region_code_for_number,
)

PINNED = "9.0.43"
ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "shared/src/phone_table.rs"
VECTORS = ROOT / "shared/fixtures/phone/territories.json"

PREMIUM, SATELLITE, NON_GEOGRAPHIC, UNKNOWN = "premium", "satellite", "non-geographic", "unknown"
NEVER = (PREMIUM, SATELLITE, NON_GEOGRAPHIC)  # the worst first: it wins where two would do

# E.164 has at most 15 digits; fewer than 7 are no subscriber anywhere.
SHORTEST, LONGEST = 7, 15

# Nine digits fit into 32 bits, and no boundary needs more.
KEY_DIGITS = 9

CODES = COUNTRY_CODE_TO_REGION_CODE

# Calling codes that belong to no country, by ITU-T's list of assigned codes.
GLOBAL_CODES = {
    800: NON_GEOGRAPHIC,  # freephone
    808: PREMIUM,  # shared cost
    870: SATELLITE,  # Inmarsat
    878: NON_GEOGRAPHIC,  # personal numbers
    881: SATELLITE,  # global mobile satellite systems
    882: NON_GEOGRAPHIC,  # international networks
    883: NON_GEOGRAPHIC,  # international networks
    888: NON_GEOGRAPHIC,  # disaster relief
    979: PREMIUM,  # international premium rate
}

# In libphonenumber's order: the first kind that matches is the answer. None stands for the country.
KINDS = (
    ("premium_rate", PhoneNumberType.PREMIUM_RATE, PREMIUM),
    ("toll_free", PhoneNumberType.TOLL_FREE, NON_GEOGRAPHIC),
    ("shared_cost", PhoneNumberType.SHARED_COST, PREMIUM),
    ("voip", PhoneNumberType.VOIP, None),
    ("personal_number", PhoneNumberType.PERSONAL_NUMBER, NON_GEOGRAPHIC),
    ("pager", PhoneNumberType.PAGER, NON_GEOGRAPHIC),
    ("uan", PhoneNumberType.UAN, NON_GEOGRAPHIC),
    ("voicemail", PhoneNumberType.VOICEMAIL, NON_GEOGRAPHIC),
    ("fixed_line", PhoneNumberType.FIXED_LINE, None),
    ("mobile", PhoneNumberType.MOBILE, None),
)
KIND_OF_TYPE = {kind: outcome for _, kind, outcome in KINDS} | {PhoneNumberType.FIXED_LINE_OR_MOBILE: None}


# Regular expressions as values: NOTHING, EMPTY, ("class", digits), ("seq", a, b), ("or", {a, b, …}).

NOTHING, EMPTY = ("nothing",), ("empty",)
DIGITS = "0123456789"


def seq(first, second):
    if NOTHING in (first, second):
        return NOTHING
    if first == EMPTY:
        return second
    if first[0] == "seq":
        return ("seq", first[1], seq(first[2], second))
    return first if second == EMPTY else ("seq", first, second)


def either(options):
    flat = set()
    for option in options:
        flat |= option[1] if option[0] == "or" else {option}
    flat.discard(NOTHING)
    if not flat:
        return NOTHING
    return next(iter(flat)) if len(flat) == 1 else ("or", frozenset(flat))


class Parser:
    """Reads the part of the regular expression language that the metadata uses, and nothing else."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def peek(self):
        return self.text[self.at : self.at + 1]

    def eat(self, token):
        if not self.text.startswith(token, self.at):
            raise ValueError(f"expected {token!r} at {self.at} of {self.text!r}")
        self.at += len(token)

    def number(self):
        start = self.at
        while self.peek().isdigit():
            self.at += 1
        return int(self.text[start : self.at])

    def whole(self):
        result = self.alternatives()
        if self.peek():
            raise ValueError(f"{self.peek()!r} at {self.at} of {self.text!r} is not understood")
        return result

    def alternatives(self):
        options = [self.sequence()]
        while self.peek() == "|":
            self.eat("|")
            options.append(self.sequence())
        return either(options)

    def sequence(self):
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom()))
        result = EMPTY
        for part in reversed(parts):
            result = seq(part, result)
        return result

    def atom(self):
        if self.peek() == "(":
            self.eat("(?:")
            inner = self.alternatives()
            self.eat(")")
            return inner
        if self.peek() == "[":
            return ("class", self.char_class())
        if self.peek() == "\\":
            self.eat("\\d")
            return ("class", DIGITS)
        if not self.peek().isdigit():
            raise ValueError(f"{self.peek()!r} at {self.at} of {self.text!r} is not understood")
        digit = self.peek()
        self.at += 1
        return ("class", digit)

    def char_class(self):
        self.eat("[")
        digits = set()
        while self.peek() != "]":
            first = last = self.peek()
            self.at += 1
            if self.peek() == "-":
                self.eat("-")
                last = self.peek()
                self.at += 1
            digits |= set(DIGITS[int(first) : int(last) + 1])
        self.eat("]")
        return "".join(sorted(digits))

    def repeated(self, atom):
        low = high = 1
        if self.peek() == "?":
            self.eat("?")
            low = 0
        elif self.peek() == "{":
            self.eat("{")
            low = high = self.number()
            if self.peek() == ",":
                self.eat(",")
                high = self.number()
            self.eat("}")
        result = EMPTY
        for count in range(high, 0, -1):
            result = seq(atom, result)
            if count > low:
                result = either([EMPTY, result])
        return result


@cache
def accepts(regex):
    match regex[0]:
        case "empty":
            return True
        case "seq":
            return accepts(regex[1]) and accepts(regex[2])
        case "or":
            return any(accepts(option) for option in regex[1])
        case _:
            return False


@cache
def after(regex, digit):
    """What is left to match once `digit` has been read."""
    match regex[0]:
        case "class":
            return EMPTY if digit in regex[1] else NOTHING
        case "seq":
            rest = seq(after(regex[1], digit), regex[2])
            return either([rest, after(regex[2], digit)]) if accepts(regex[1]) else rest
        case "or":
            return either(after(option, digit) for option in regex[1])
        case _:
            return NOTHING


# One region's rules for numbers of one length, and the state of the walk through them.


def begin(metadata, length):
    """The state before the first digit: (region, general, one regex per kind, leading digits)."""

    def of(description):
        if description is None or not description.national_number_pattern:
            return NOTHING
        lengths = description.possible_length
        if lengths and length not in lengths:
            return NOTHING
        return Parser(description.national_number_pattern).whole()

    kinds = [of(getattr(metadata, name)) for name, _, _ in KINDS]
    if metadata.same_mobile_and_fixed_line_pattern:
        kinds[-1] = NOTHING
    leading = Parser(metadata.leading_digits).whole() if metadata.leading_digits else None
    return (metadata.id, of(metadata.general_desc), tuple(kinds), leading)


def advance(state, digit):
    region, general, kinds, leading = state
    general = after(general, digit)
    kinds = (NOTHING,) * len(kinds) if general == NOTHING else tuple(after(kind, digit) for kind in kinds)
    if leading is not None and not accepts(leading):  # a match of the leading digits stays a match
        leading = after(leading, digit)
    return (region, general, kinds, leading)


def answer(states):
    """What libphonenumber says of a complete number: region and outcome, or None when it is not valid."""
    for region, general, kinds, leading in states:
        found = None
        if accepts(general):
            found = next((KINDS[i][2] or region for i, kind in enumerate(kinds) if accepts(kind)), None)
        # With leading digits these alone choose the region, valid number or not.
        if (leading is None and found) or (leading is not None and accepts(leading)):
            return found
    return None


@cache
def step(states, digit):
    return tuple(advance(state, digit) for state in states)


@cache
def possible(states, left):
    """All valid answers for numbers with exactly `left` more digits."""
    if left == 0:
        found = answer(states)
        return frozenset([found]) if found else frozenset()
    if all(general == NOTHING for _, general, _, _ in states):
        return frozenset()
    return frozenset().union(*(possible(step(states, digit), left - 1) for digit in DIGITS))


# The walk: from rules to ranges.


def worst(outcomes):
    return next((kind for kind in NEVER if kind in outcomes), None)


def default_for(known, depth, shared, inherited):
    """Who gets the unassigned ranges below a prefix: never less strict than what surrounds them."""
    if depth < (3 if shared else 2) or not known:
        return inherited
    if known <= set(NEVER):
        return worst(known)
    countries = known - set(NEVER)
    return next(iter(countries)) if len(countries) == 1 else UNKNOWN


def ranges(code, prefix, by_length, shared, inherited):
    """Yields (prefix, rule); a rule is one outcome, or a tuple of (total digits, outcome) and a default."""
    depth = len(prefix) - len(code)
    open_lengths = {n: possible(states, n - depth) for n, states in by_length.items() if n >= depth}
    known = frozenset().union(*open_lengths.values())
    if not known:
        yield prefix, inherited
        return
    default = default_for(known, depth, shared, inherited)
    settled = all(len(outcomes) <= 1 for outcomes in open_lengths.values())
    if settled and depth >= (3 if shared else 2):
        if len(known) == 1:
            yield prefix, next(iter(known))
            return
        in_use = sorted((n, *outcomes) for n, outcomes in open_lengths.items() if outcomes)
        lengths = tuple((len(code) + n, outcome) for n, outcome in in_use)
        # A length that no number has here gets the strictest result.
        yield prefix, (*lengths, (0, worst(known) or UNKNOWN))
        return
    for digit in DIGITS:
        child = {n: step(states, digit) for n, states in by_length.items() if n > depth}
        # A country's numbers begin with 0 only where its plan says so; elsewhere the 0 is the trunk
        # prefix, which hides what follows (+44 0 70 … for +44 70 …).
        below = UNKNOWN if depth == 0 and digit == "0" else default
        yield from ranges(code, prefix + digit, child, shared, below)


def all_ranges():
    for code, regions in sorted(CODES.items()):
        text = str(code)
        if regions == ("001",):
            yield text, GLOBAL_CODES[code]
            continue
        metadata = [PhoneMetadata.metadata_for_region(region) for region in regions]
        lengths = range(SHORTEST - len(text), LONGEST - len(text) + 1)
        by_length = {n: tuple(begin(m, n) for m in metadata) for n in lengths}
        shared = len(regions) > 1
        yield from ranges(text, text, by_length, shared, UNKNOWN if shared else regions[0])



def place(digits):
    """Where a number stands on the line: its first KEY_DIGITS digits, filled up with zeros."""
    return int(digits[:KEY_DIGITS].ljust(KEY_DIGITS, "0"))


def number_line():
    """The table: (first place, calling code, rule) for every stretch with one rule, in ascending order."""
    stretches, end = [], 0
    for prefix, rule in sorted(all_ranges(), key=lambda item: place(item[0])):
        if len(prefix) > KEY_DIGITS:
            sys.exit(f"{prefix} needs more than {KEY_DIGITS} digits: the key no longer fits")
        if place(prefix) > end:
            stretches.append((end, "", UNKNOWN))
        stretches.append((place(prefix), prefix, rule))
        end = place(prefix) + 10 ** (KEY_DIGITS - len(prefix))
    stretches.append((end, "", UNKNOWN))
    return [now for before, now in zip([(0, "", None), *stretches], stretches) if before[2] != now[2]]


def look_up(table, starts, digits):
    """The same steps as in phone.rs."""
    rule = table[bisect.bisect_right(starts, place(digits)) - 1][2]
    if isinstance(rule, tuple):
        return dict(rule).get(len(digits), dict(rule)[0])
    return rule


def lengths_of_codes():
    """How many digits the numbers of each calling code can have, calling code included, valid numbers or not."""
    for code, regions in sorted(CODES.items()):
        found = set()
        for region in regions:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            found |= {len(str(code)) + n for n in metadata.general_desc.possible_length}
        yield code, sorted(n for n in found if SHORTEST <= n <= LONGEST)


def render(table):
    """The text of phone_table.rs."""

    def code_of(outcome):
        short = {PREMIUM: "P", SATELLITE: "S", NON_GEOGRAPHIC: "G", UNKNOWN: "U"}
        return short.get(outcome) or f'C(*b"{outcome}")'

    mixed = sorted({rule for _, _, rule in table if isinstance(rule, tuple)})
    lines, line, calling_code = [], "", None
    for start, prefix, rule in table:
        row = f"({start:_}, {f'D({mixed.index(rule)})' if isinstance(rule, tuple) else code_of(rule)}),"
        new_code = next((c for c in (prefix[:n] for n in (1, 2, 3)) if c and int(c) in CODES), None)
        if line and (new_code != calling_code or len(line) + len(row) + 1 > 109):
            lines.append(line)
            line = ""
        line = f"{line} {row}" if line else f"    {row}"
        calling_code = new_code
    lines.append(line)
    by_digits = []
    for rule in mixed:
        outcomes = dict(rule)
        row = ", ".join(code_of(outcomes.get(n, outcomes[0])) for n in range(SHORTEST, LONGEST + 1))
        by_digits.append(f"    [{row}],")
    lengths = [f"    ({code}, {sum(1 << n for n in digits):#06x})," for code, digits in lengths_of_codes()]
    return "\n".join(
        [
            "//! Which country a phone number belongs to, as a list of boundaries on the number line.",
            "//!",
            "//! Generated by `tools/phone_table.py`: do not edit, change the generator and run it again.",
            "//! Derived from the metadata of libphonenumber as it is in the Python package",
            f"//! `phonenumbers` {PINNED}, copyright The Libphonenumber Authors, licensed under the",
            "//! Apache License 2.0.",
            "",
            "use crate::phone::NeverReason::{NonGeographic, Premium, Satellite};",
            "use crate::phone::Rule::{self, ByDigits as D, Country as C, Never, Unknown as U};",
            "",
            "const P: Rule = Never(Premium);",
            "const S: Rule = Never(Satellite);",
            "const G: Rule = Never(NonGeographic);",
            "",
            "/// How many leading digits of a number, filled up with zeros, make its place on the line.",
            f"pub(crate) const KEY_DIGITS: usize = {KEY_DIGITS};",
            "",
            "/// Where each stretch with one rule begins, in ascending order; it ends at the next one.",
            "#[rustfmt::skip]",
            f"pub(crate) static STRETCHES: [(u32, Rule); {len(table)}] = [",
            *lines,
            "];",
            "",
            f"/// The answers that depend on the number of digits, for {SHORTEST} to {LONGEST} of them.",
            "#[rustfmt::skip]",
            f"pub(crate) static BY_DIGITS: [[Rule; {LONGEST - SHORTEST + 1}]; {len(mixed)}] = [",
            *by_digits,
            "];",
            "",
            "/// How many digits the numbers of each calling code can have, calling code included: bit n is set for n digits.",
            "#[rustfmt::skip]",
            f"pub(crate) static LENGTHS: [(u16, u16); {len(lengths)}] = [",
            *lengths,
            "];",
            "",
        ]
    )


# The comparison with libphonenumber itself, which shares nothing with the walk above but the metadata.


def libphonenumber_says(code, national):
    """The outcome by libphonenumber's own functions; None when the number is not valid."""
    zeros = len(national) - len(national.lstrip("0"))
    number = PhoneNumber(
        country_code=code,
        national_number=int(national or "0"),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )
    kind = number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        return None
    return GLOBAL_CODES.get(code) or KIND_OF_TYPE[kind] or region_code_for_number(number)


def languages():
    """Yields (code, region, kind, national length, state) for every kind of number that a region has."""
    for code, regions in sorted(CODES.items()):
        for region in regions:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            for n in range(SHORTEST - len(str(code)), LONGEST - len(str(code)) + 1):
                name, general, kinds, _ = begin(metadata, n)
                for i, (kind, _, _) in enumerate(KINDS):
                    only = tuple(regex if i == j else NOTHING for j, regex in enumerate(kinds))
                    states = ((name, general, only, None),)
                    if possible(states, n):
                        yield code, region, kind, n, states


def member(states, length, choose):
    """One number of the language, choosing among the digits that can still lead to its end."""
    digits = ""
    for left in range(length - 1, -1, -1):
        digit = choose([d for d in DIGITS if possible(step(states, d), left)])
        digits, states = digits + digit, step(states, digit)
    return digits


def compare(table, samples):
    """Prints how often the table agrees with libphonenumber; False when it ever does not."""
    rng, starts = random.Random(164), [start for start, _, _ in table]
    compared, differing, mobile, refused_mobile = 0, [], 0, 0
    for code, region, kind, length, states in languages():
        for _ in range(samples):
            national = member(states, length, rng.choice)
            expected = libphonenumber_says(code, national)
            actual = look_up(table, starts, f"{code}{national}")
            compared += 1
            if actual != expected:
                differing.append((code, national, kind, expected, actual))
            if kind == "mobile" and code not in GLOBAL_CODES:
                mobile += 1
                refused_mobile += actual in NEVER
    print(f"valid numbers of every region, kind and length: {compared - len(differing)} of {compared} agree")
    print(f"numbers of a country's mobile ranges that are never messaged: {refused_mobile} of {mobile}")
    valid = agreeing = unassigned = given = 0
    for code, regions in sorted(CODES.items()):
        for _ in range(samples * 20):
            length = rng.randint(SHORTEST - len(str(code)), LONGEST - len(str(code)))
            national = "".join(rng.choices(DIGITS, k=length))
            expected = libphonenumber_says(code, national)
            actual = look_up(table, starts, f"{code}{national}")
            if expected is None:
                unassigned += 1
                given += actual not in (*NEVER, UNKNOWN)
            else:
                valid += 1
                agreeing += actual == expected
                if actual != expected:
                    differing.append((code, national, "any", expected, actual))
    print(f"random digits that are a valid number: {agreeing} of {valid} agree")
    print(f"random digits that are none: {given} of {unassigned} count as their calling code's country")
    for difference in differing[:20]:
        print("differs:", *difference)
    return not differing and not refused_mobile


def vectors(table):
    """The text of the vector file: number to outcome, by libphonenumber's own functions.

    Its example of every kind, the highest number of every kind, and for every rule that depends on how many
    digits there are a number of each length.
    """
    candidates = []
    for code, region, kind, length, states in languages():
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        description = getattr(metadata, kind)
        if description.example_number:
            candidates.append((code, description.example_number))
        if length == max(description.possible_length or metadata.general_desc.possible_length):
            candidates.append((code, member(states, length, max)))
    rules = {rule: prefix for _, prefix, rule in reversed(table) if isinstance(rule, tuple)}
    for rule, prefix in rules.items():
        code = next(int(prefix[:n]) for n in (1, 2, 3) if int(prefix[:n]) in CODES)
        metadata = [PhoneMetadata.metadata_for_region(region) for region in CODES[code]]
        national = prefix[len(str(code)) :]
        for total, _ in rule[:-1]:
            state = tuple(begin(m, total - len(str(code))) for m in metadata)
            for digit in national:
                state = step(state, digit)
            rest = member(state, total - len(prefix), min)
            candidates.append((code, national + rest))
    found = {f"+{code}{national}": libphonenumber_says(code, national) for code, national in candidates}
    rows = [
        f"  {json.dumps(number)}: {json.dumps(outcome)}"
        for number, outcome in sorted(found.items())
        if outcome and SHORTEST < len(number) <= LONGEST + 1
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main():
    arguments = argparse.ArgumentParser(description="Write the phone table, or check the written one.")
    arguments.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    arguments.add_argument("--samples", type=int, default=20, help="random numbers per kind and length")
    options = arguments.parse_args()
    if version("phonenumbers") != PINNED:
        sys.exit(f"phonenumbers {PINNED} is pinned here, {version('phonenumbers')} is installed")
    table = number_line()
    if not compare(table, options.samples):
        sys.exit("the table does not agree with libphonenumber")
    stale = []
    for path, text in ((TABLE, render(table)), (VECTORS, vectors(table))):
        if options.check:
            stale += [] if path.exists() and path.read_text() == text else [str(path.relative_to(ROOT))]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if stale:
        sys.exit(f"not what the generator writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
