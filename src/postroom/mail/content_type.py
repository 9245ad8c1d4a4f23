"""The value of a Content-Type or Content-Disposition field: a word and parameters (RFC 2045 5.1, RFC 2231 3)."""

import re
from collections.abc import Mapping
from types import MappingProxyType

NO_PARAMETERS: Mapping[bytes, bytes] = MappingProxyType({})

_WORD = re.compile(rb"\s*(?:\([^()]*\)\s*)*([^\s;()]+)")
_PARAMETER = re.compile(rb';\s*([^\s=;"*]+)(\*\d+)?\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"()]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def split_value(value: bytes) -> tuple[bytes, Mapping[bytes, bytes]]:
    """Return the word in lower case (empty where there is none) and the parameters, names in lower case.

    Of a parameter written twice the first counts, its numbered continuations
    are joined in their order. Comments in front of the word are skipped.
    """
    match = _WORD.match(value)
    if match is None:
        return b"", NO_PARAMETERS
    word = match[1].lower()
    if b";" not in value:
        return word, NO_PARAMETERS
    parameters: dict[bytes, bytes] = {}
    for name, number, quoted, token in _PARAMETER.findall(value, match.end()):
        text = quoted or token
        if b"\n" in text:
            text = text.replace(b"\r\n", b"")
        if b"\\" in text:
            text = _QUOTED_PAIR.sub(rb"\1", text)
        key = name.lower()
        if number and number != b"*0" and key in parameters:
            parameters[key] += text
        else:
            parameters.setdefault(key, text)
    return word, parameters
