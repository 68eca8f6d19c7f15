"""Texts as a user sees them."""

import re


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def unescape(text):
    """The five entities that Cognito may put into a temporary password."""
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    return text


def readable(html):
    """The lines of an HTML part that a person sees."""
    html = re.sub(r"<!--.*?-->|<head>.*?</head>", "", re.sub(r"\s+", " ", html))
    text = re.sub(r"<[^>]*>", "", re.sub(r"</(?:p|h1|td|tr)>|<br>", "\n", html))
    return [line.strip() for line in unescape(text).splitlines() if line.strip()]


def plain(text):
    """Terminal output without colors and box lines."""
    return re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text)
