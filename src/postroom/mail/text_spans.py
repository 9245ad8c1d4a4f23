"""Where URLs stand in plain text (RFC 3986 appendix C), as mail programs make links of them."""

import re

MAX_LENGTH = 2 << 20
"""Letters of a text that are looked at."""

_URL = re.compile(r"(?<![0-9A-Za-z])[hH][tT][tT][pP][sS]?://[!#-;=?-~]{1,16384}")
_TRAILING = ".,:;!?'*"
_MAX_TRAILING = 32
_BRACKETS = {")": "(", "]": "[", "}": "{"}


def find_urls(view: str, *, joins_lines: bool = False) -> list[tuple[int, int]]:
    """Return the spans of the http and https URLs in a view (`mail.charset`), without punctuation behind them.

    A URL whose end is not sure is left out: other letters than ASCII follow, an
    angle bracket before it is closed on a later line, or, with `joins_lines`
    (format=flowed with DelSp=yes, RFC 3676 4.2), it goes on in the next line.
    """
    spans = []
    for match in _URL.finditer(view, 0, MAX_LENGTH):
        start, end = match.span()
        behind = view[end : end + 2]
        if behind[:1] > " " and behind[0] not in '"<>\x7f':
            continue
        if start and view[start - 1] == "<" and behind[:1] != ">":
            continue
        if joins_lines and behind == " \n":
            continue
        end = start + _length(match[0])
        if end - start > len("https://"):
            spans.append((start, end))
    return spans


def _length(url: str) -> int:
    end = len(url)
    for _ in range(_MAX_TRAILING):
        last = url[end - 1]
        is_open = last in _BRACKETS and url.count(last, 0, end) > url.count(_BRACKETS[last], 0, end)
        if last not in _TRAILING and not is_open:
            break
        end -= 1
    return end
