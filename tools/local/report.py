"""What the user sees: sentences, messages as the user gets them, and a table at the end."""

import os
import sys
import textwrap
import time

WIDTH = 80


class NotAsExpected(Exception):
    """A check of a step failed, so the rest of its story is skipped."""


class Report:
    """Prints each step as it is played and counts."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.colors = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.steps = []
        self.began = time.monotonic()

    def paint(self, text, color):
        number = {"bold": 1, "red": 31, "green": 32, "dim": 2}[color]
        return f"\x1b[{number}m{text}\x1b[0m" if self.colors else text

    def line(self, text=""):
        print(text, file=self.out, flush=True)

    def say(self, text, first="", rest=None):
        """One paragraph, at most 80 columns wide."""
        rest = " " * len(first) if rest is None else rest
        self.line(textwrap.fill(text, WIDTH - 1, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False))

    def heading(self, text):
        self.line()
        self.line(self.paint(text, "bold"))
        self.line("-" * min(len(text), WIDTH - 1))

    def note(self, text):
        self.say(text, "  note      ", "            ")

    def step(self, flow, sentence, expected):
        """Begins a step; use it with `with`."""
        return Step(self, flow, sentence, expected)

    def mail(self, mail):
        """One email with its text part, as a program without HTML shows it."""
        head = [f"From: {mail['Source']}", f"To: {', '.join(mail['To'])}", f"Subject: {mail['Subject']}"]
        html = mail.get("BodyHtml") or ""
        foot = f"[and an HTML part of {len(html):,} characters]" if html else "[no HTML part]"
        self.box("email", [*head, "", *mail["BodyText"].strip().splitlines(), "", foot])

    def text(self, number, message):
        """One SMS."""
        self.box("SMS", [f"To: {number}", "", *message.splitlines()])

    def box(self, title, lines):
        self.line(f"    +-- {title} " + "-" * (WIDTH - 11 - len(title)))
        for line in lines:
            # Wide characters of East Asian scripts fill two columns; half the width is then enough.
            width = (WIDTH - 8) // (2 if any(ord(letter) > 0x2E80 for letter in line) else 1)
            for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]:
                self.line(f"    | {part}".rstrip())
        self.line("    +" + "-" * (WIDTH - 6))

    def table(self):
        """A line for each step. Returns whether all results were as expected."""
        self.heading("All steps")
        for number, step in enumerate(self.steps, 1):
            head = f"{number:3}  {step.flow:<6} "
            verdict = self.paint("ok", "green") if step.ok else self.paint("FAILED", "red")
            room = WIDTH - len(head) - 9
            sentence = step.sentence if len(step.sentence) <= room else step.sentence[: room - 1].rstrip() + "…"
            self.line(f"{head}{sentence:<{room}} {verdict}")
        failed = sum(not step.ok for step in self.steps)
        seconds = time.monotonic() - self.began
        self.line()
        self.line(f"{len(self.steps)} steps, {failed} failed, {seconds:.0f} s")
        return failed == 0 and bool(self.steps)


class Step:
    """One step: the expected result, the actual result, and whether they agree."""

    def __init__(self, report, flow, sentence, expected):
        self.report, self.flow, self.sentence, self.expected = report, flow, sentence, expected
        self.seen, self.ok = [], False

    def check(self, holds, seen, otherwise=None):
        """`seen` tells what was seen when the check holds (or None), `otherwise` what was seen instead."""
        if not holds:
            raise NotAsExpected(otherwise)
        if seen is not None:
            self.seen.append(seen)

    def __enter__(self):
        self.report.steps.append(self)
        self.report.line()
        number = f"{len(self.report.steps):3}. "
        self.report.say(f"[{self.flow}] {self.sentence}.", number, "     ")
        self.report.say(self.expected, "  expected  ")
        return self

    def __exit__(self, kind, error, _trace):
        if kind is not None and not issubclass(kind, Exception):
            return False  # Ctrl-C and the like
        if error is not None:
            self.seen.append(f"{error}" if kind is NotAsExpected else f"{kind.__name__}: {error}")
        self.ok = error is None
        self.report.say("; ".join(self.seen) or "nothing", "  seen      ")
        verdict = "as expected" if self.ok else "NOT AS EXPECTED"
        self.report.line("  result    " + self.report.paint(verdict, "green" if self.ok else "red"))
        if kind is not None and kind is not NotAsExpected:
            raise NotAsExpected(str(error)) from error
        return False
