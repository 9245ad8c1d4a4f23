"""The field by which an HTTP answer is a file to be kept, not opened (RFC 6266)."""

from urllib.parse import quote


def disposition(name: str) -> str:
    """Return the value of Content-Disposition for a file of this name."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in name)
    # RFC 6266 4.1 and 5: both forms, for programs that know only one.
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
