"""The parameters of a request: query and body in one, the body as JSON or as a form, as Rails reads them."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from postroom.doors.superimap.answers import Refused

MOST_BYTES = 1 << 20
"""No body here needs more."""
_MOST_FIELDS = 1_000
_MOST_NUMBER = (1 << 63) - 1
_NESTED = re.compile(r"(?:user|connection|partner_connection|partner)\[([A-Za-z0-9_]+)\](\[\])?")
_WRAPPERS = ("user", "connection", "partner_connection", "partner")
_TRUE = {"true", "1", "t", "on", "yes"}
_FALSE = {"false", "0", "f", "off", "no", ""}

_decode = msgspec.json.Decoder().decode


class Parameters:
    """What a request says by names."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return a text or number as text; empty for null; None where nothing is said. Raises Refused."""
        if name not in self._values:
            return None
        value = self._values[name]
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise wrong(f"{name} is a text: send it as one")
        return value if isinstance(value, str) else str(value)

    def truth(self, name: str) -> bool | None:
        """Return true or false; None where nothing is said. Raises Refused."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else str(value)
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise wrong(f"{name} is true or false")

    def number(self, name: str) -> int | None:
        """Return a whole number that is not negative; None where nothing is said. Raises Refused."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_NUMBER:
            raise wrong(f"{name} is a whole number")
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, in a form also one text with commas; None where nothing is said. Raises Refused."""
        if name not in self._values:
            return None
        value = self._values[name]
        if value is None:
            return ()
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong(f"{name} is a list of texts")
        return tuple(value)


def wrong(text: str) -> Refused:
    """Return the answer to a value that has to be corrected."""
    return Refused(400, f"Validation failed: {text}")


def read_parameters(query: bytes, media_type: str, body: bytes) -> Parameters:
    """Return the parameters of a request; those of the body win. Raises Refused 400."""
    return Parameters({**_form(query, "The query"), **_body(media_type, body)})


def _body(media_type: str, body: bytes) -> dict[str, Any]:
    text = body.strip()
    if not text:
        return {}
    if media_type.startswith("multipart/"):
        raise Refused(400, "The body cannot be read: send it as JSON or as application/x-www-form-urlencoded.")
    # A client that names JSON for all requests, as SuperIMAP's own example does, may send a form all the same.
    if text[:1] in b"{[" or ("json" in media_type and b"=" not in text):
        return _json(text)
    return _form(text, "The body")


def _json(text: bytes) -> dict[str, Any]:
    try:
        values = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise Refused(400, "The body is a JSON object with the parameters as its members.")
    for wrapper in _WRAPPERS:
        inner = values.get(wrapper)
        if isinstance(inner, dict):
            values = {**inner, **values}
    return values


def _form(text: bytes, what: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Refused(400, f"{what} cannot be read as a form in UTF-8: {error}") from error
    values: dict[str, Any] = {}
    for written, value in pairs:
        name, is_list = written, False
        nested = _NESTED.fullmatch(written)
        if nested:
            name, is_list = nested[1], nested[2] is not None
        elif written.endswith("[]"):
            name, is_list = written[:-2], True
        if is_list:
            before = values.get(name)
            values[name] = [*before, value] if isinstance(before, list) else [value]
        else:
            values[name] = value
    return values
