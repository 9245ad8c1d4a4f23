"""Tag lists, `v=1; a=rsa-sha256; …`: DKIM, its keys, ARC and DMARC are written so (RFC 6376 3.2)."""

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WHITE = " \t\r\n"


def read_tags(text: str) -> dict[str, str]:
    """Return the values by name, without white space around them. Raises ValueError; any text is allowed."""
    tags: dict[str, str] = {}
    for spec in text.strip(_WHITE).removesuffix(";").split(";"):
        name, equals, value = spec.partition("=")
        name = name.strip(_WHITE)
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{spec.strip(_WHITE)[:40]!r} is no tag")
        if name in tags:
            raise ValueError(f"the tag {name}= stands twice")
        tags[name] = value.strip(_WHITE)
    return tags
