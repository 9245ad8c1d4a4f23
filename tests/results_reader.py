"""Reads Authentication-Results as another server would (RFC 8601 2.2), to see that ours says what we found."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_COMMENT = re.compile(r"\([^()]*\)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PAIR = re.compile(r"([\w.-]+)\s*(?:/\s*\d+\s*)?=\s*(\S+)")


class MethodResult(NamedTuple):
    """One result of a field: `dkim=pass header.d=example.com`."""

    method: str
    result: str
    properties: Mapping[str, str]
    """By `ptype.property`; `reason` stands among them."""


def read_results(field: bytes) -> list[MethodResult]:
    """Return the results of a field."""
    strings: list[str] = []

    def put_by(match: re.Match[str]) -> str:
        strings.append(re.sub(r"\\(.)", r"\1", match[1]))
        return f"\0{len(strings) - 1}\0"

    text = _STRING.sub(put_by, field.decode().partition(":")[2])
    while (without := _COMMENT.sub(" ", text)) != text:
        text = without
    results = []
    for part in text.split(";")[1:]:
        (method, result), *more = _PAIR.findall(part)
        properties = {name: strings[int(value[1:-1])] if value.startswith("\0") else value for name, value in more}
        results.append(MethodResult(method, result, properties))
    return results
