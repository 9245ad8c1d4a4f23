"""What a person wrote in a reply, apart from what the reply quotes and from the signature.

There is no standard for this; mail programs differ by language and version
(`mail.languages.quoting`). A line belongs to what is quoted if it begins with `>`, if
it introduces a quotation ("On ... wrote:"), or if it stands below something
that opens a quotation without `>`: a ruled line, a quoted header, or an
introduction that no `>` follows. Answers between `>` lines stay what was
written. When in doubt a line counts as written.

Linear in time: a line is looked at with its few neighbours, and only so many
letters of it.
"""

import re
from dataclasses import dataclass
from enum import Enum

from postroom.mail.html_reply import marked_text
from postroom.mail.languages import quoting as words
from postroom.mail.reading import decode_text, decoded, shown_texts
from postroom.mail.received import Received

MAX_LINES = 10_000
"""Lines that are looked at; what stands below belongs to what the last of them belongs to."""
MAX_LETTERS = 2 << 20
"""Letters that are looked at; the rest counts as quoted, for nobody wrote that much."""

_LONGEST_INTRODUCTION = 400
_MOST_INTRODUCTION_LINES = 4
_HEADER_LINES = 12
_LONGEST_SIGNATURE = 40
"""Lines; below a `--` that is followed by more stands something else."""

_INVISIBLE = dict.fromkeys([0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])
# Vowel signs and points of Hebrew, Arabic and Indian scripts belong to their words, though they are no letters.
_LETTERS = r"[^\W\d_](?:[^\W\d_]|[\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0951-\u0957])*"
_WORD = re.compile(rf"{_LETTERS}(?:[/'\u2019]{_LETTERS})*")
_DATE_OR_TIME = re.compile(r"(?<!\d)(?:\d{1,2}[:.h]\d\d(?!\d)|\d{4}(?!\d)|\d{1,2}[./-]\d{1,2}[./-]\d\d)")
_ADDRESS = re.compile(r"[^\s@<>(]{1,64}@[^\s@<>()]{1,255}")
_ADDRESS_AND_COLON = re.compile(r"[<(\[]\s?[^\s@<>]{1,64}@[^\s@<>]{1,255}\s?[>)\]]\s?[:\uff1a]$")
_LINK = re.compile(r"[<(\[]?https?://\S{1,1000}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in its three parts, each without blank lines at its ends; lines end with LF."""

    written: str
    quoted: str
    """With its introductions and as it stands, `>` included."""
    signature: str
    """Below `-- `, and what a device says of itself."""


_NOTHING = Reply("", "", "")


class _Is(Enum):
    WRITTEN = 0
    QUOTED = 1
    SIGNATURE = 2


class _Says(Enum):
    """How surely some lines introduce a quotation."""

    NOTHING = 0
    IF_MARKED = 1
    """Only where a `>` follows: "John wrote:"."""
    SURELY = 2


def split_reply(text: str) -> Reply:
    """Return what was written, what is quoted, and the signature. Any text and any line ends are allowed."""
    rest = text[MAX_LETTERS:]
    lines = text[:MAX_LETTERS].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    looked_at = lines[:MAX_LINES]
    kinds = _kinds(looked_at)
    _find_signatures(looked_at, kinds)
    kinds += [kinds[-1]] * (len(lines) - len(looked_at))
    parts: dict[_Is, list[str]] = {kind: [] for kind in _Is}
    begin = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or kinds[end] is not kinds[begin]:
            chunk = _trimmed(lines[begin:end])
            if chunk:
                parts[kinds[begin]].append(chunk)
            begin = end
    if rest:
        parts[_Is.QUOTED].append(rest)
    return Reply("\n\n".join(parts[_Is.WRITTEN]), "\n".join(parts[_Is.QUOTED]), "\n\n".join(parts[_Is.SIGNATURE]))


def split_html_reply(html: str) -> Reply:
    """Return the same of an HTML text, as text: what its elements mark as quoted or as signature counts as that."""
    return split_reply(marked_text(html))


def read_reply(mail: Received) -> Reply:
    """Return what a mail's author wrote: of its plain texts, or of its HTML where that is all it has."""
    # Some programs cut the text where a file stands in it.
    plain = "\n".join(mail.text(number) for number in _shown(mail, b"text/plain"))
    reply = split_reply(plain)
    if reply == _NOTHING and (html := _shown(mail, b"text/html")):
        reply = split_html_reply("\n".join(_html(mail, number) for number in html)[:MAX_LETTERS])
    return reply


def _shown(mail: Received, media_type: bytes) -> list[int]:
    """Return the numbers of the texts of a type that are no files."""
    numbers = shown_texts(mail.parts, media_type)
    return [number for number in numbers if b"name" not in mail.parts[number].parameters]


def _html(mail: Received, number: int) -> str:
    part = mail.parts[number]
    content = decoded(mail.raw, part._replace(end=min(part.end, part.start + MAX_LETTERS)))
    return decode_text(content, part.parameters.get(b"charset", b""), is_html=True)[0]


def _trimmed(lines: list[str]) -> str:
    begin, end = 0, len(lines)
    while begin < end and not lines[begin].strip():
        begin += 1
    while begin < end and not lines[end - 1].strip():
        end -= 1
    return "\n".join(line.rstrip() for line in lines[begin:end])


# What is quoted


def _kinds(lines: list[str]) -> list[_Is]:
    """Return for each line whether it was written or is quoted."""
    clean = [line[: _LONGEST_INTRODUCTION * 2].translate(_INVISIBLE).strip().replace("\xa0", " ") for line in lines]
    fields = [_field(line) for line in clean]
    kinds = [_Is.WRITTEN] * len(lines)
    number = 0
    while number < len(lines):
        line = clean[number]
        if line.startswith(words.QUOTE_MARKS):
            kinds[number] = _Is.QUOTED
        elif line and (_is_ruled_opener(line) or _begins_header(clean, fields, number)):
            return _cut(clean, kinds, number)
        elif line.rstrip("*_ ").endswith(words.COLONS) or (line.endswith(">") and line[0].isdigit()):
            clean[number] = line.rstrip("*_ ")
            follows = _next_text(clean, number + 1)
            is_marked = follows < len(clean) and clean[follows].startswith(words.QUOTE_MARKS)
            begin, says = _introduction(clean, number, is_marked=is_marked)
            if says is _Says.SURELY and not is_marked:
                return _cut(clean, kinds, begin)
            if says is not _Says.NOTHING and is_marked:
                kinds[begin:follows] = [_Is.QUOTED] * (follows - begin)
                number = follows
                continue
        number += 1
    return kinds


def _cut(clean: list[str], kinds: list[_Is], begin: int) -> list[_Is]:
    """Mark all lines from `begin` on as quoted, with the ruled lines and the like right above."""
    while begin and (not clean[begin - 1] or _is_rule(clean[begin - 1]) or _opens_forward(clean[begin - 1])):
        begin -= 1
    kinds[begin:] = [_Is.QUOTED] * (len(kinds) - begin)
    return kinds


def _next_text(clean: list[str], number: int) -> int:
    while number < len(clean) and not clean[number]:
        number += 1
    return number


def _introduction(clean: list[str], number: int, *, is_marked: bool) -> tuple[int, _Says]:
    """Return where the introduction begins that ends in this line, and how surely it is one."""
    joined, begin, says = clean[number], number, _says(clean[number], is_marked=is_marked)
    for back in range(1, _MOST_INTRODUCTION_LINES):
        if says is _Says.SURELY and _opens(clean[begin]):
            break
        before = clean[number - back] if number >= back else ""
        if not before or before.startswith(words.QUOTE_MARKS) or len(before) + len(joined) > _LONGEST_INTRODUCTION:
            break
        # Where the name comes first, as in Chinese and Turkish, the line that was broken off has the address.
        belongs = says is _Says.NOTHING or _opens(before) or ("@" not in joined and _ADDRESS.search(before) is not None)
        joined = f"{before} {joined}"
        now = _says(joined, is_marked=is_marked)
        if now is not _Says.NOTHING and belongs:
            begin, says = number - back, now
    return begin, says


def _says(line: str, *, is_marked: bool) -> _Says:
    has_address = "@" in line and _ADDRESS.search(line) is not None
    has_time = _DATE_OR_TIME.search(line) is not None
    if not (has_address or has_time or (is_marked and len(line) <= 80)) or len(line) > _LONGEST_INTRODUCTION:
        return _Says.NOTHING
    if not _has_verb(line):
        # A date, an address and a colon say it without a verb: so Gmail in Russian and Japanese, and Yandex.
        if has_time and has_address and _ADDRESS_AND_COLON.search(line):
            return _Says.SURELY
        # The same without its colon is how an old Gmail wrote it.
        return _Says.IF_MARKED if has_address or (has_time and _opens(line)) else _Says.NOTHING
    if has_address or (has_time and (_opens(line) or not line.isascii())):
        return _Says.SURELY
    return _Says.IF_MARKED


def _has_verb(line: str) -> bool:
    lowered = line.lower()
    if not words.WROTE.isdisjoint(_WORD.findall(lowered)):
        return True
    return not line.isascii() and any(word in lowered for word in words.WROTE_WITHOUT_SPACES)


def _opens(line: str) -> bool:
    """Tell whether a line begins as introductions do: with a word as "On", a day of the week or a figure."""
    if line[:1].isdigit():
        return _DATE_OR_TIME.search(line) is not None
    first = _WORD.match(line.lstrip("*_\"'[("))
    return first is not None and first[0].lower() in words.OPENERS and any(letter.isdigit() for letter in line)


def _is_rule(line: str) -> bool:
    return len(line) >= 3 and not line.strip(words.DASHES + " ")


def _opens_forward(line: str) -> bool:
    return line.lower().startswith(words.FORWARD_OPENERS) or _is_ruled_opener(line)


def _is_ruled_opener(line: str) -> bool:
    """Tell whether a line is `----- Original Message -----` in some language, or asks to reply above it."""
    if len(line) > 200:
        return False
    lowered = line.lower()
    if line[0] in "#-=_*" and any(phrase in lowered for phrase in words.REPLY_ABOVE):
        return True
    inner = lowered.strip(words.DASHES + " ")
    if len(lowered) - len(inner) < 4 or line[0] not in words.DASHES or line[-1] not in words.DASHES:
        return False
    if 0 < len(inner) <= 100 and (inner.startswith(words.RULED) or inner == "original"):
        return True
    # Zoho puts its introduction between dashes.
    return _has_verb(inner) and (_ADDRESS.search(inner) is not None or _DATE_OR_TIME.search(inner) is not None)


def _begins_header(clean: list[str], fields: list[str | None], number: int) -> bool:
    """Tell whether a quoted header begins here: From and two more of Date, To and Subject within a few lines.

    Without a subject there must be an address: travels have From, To and Date too.
    """
    if fields[number] is None:
        return False
    near = range(number, min(number + _HEADER_LINES, len(clean)))
    found = {fields[one] for one in near} - {None}
    if "from" not in found or len(found) < 3:
        return False
    return "subject" in found or any(fields[one] is not None and "@" in clean[one] for one in near)


def _field(line: str) -> str | None:
    """Return which field of a quoted header a line is: from, date, to or subject."""
    colons = [at for mark in words.COLONS[:2] if (at := line.find(mark, 0, 32)) > 0]
    return words.HEADER_WORDS.get(line[: min(colons)].strip("*_ ").lower()) if colons else None


# The signature


def _find_signatures(lines: list[str], kinds: list[_Is]) -> None:
    """Mark the signatures in each run of written lines."""
    begin = 0
    for end in range(1, len(lines) + 1):
        if end < len(lines) and kinds[end] is kinds[begin]:
            continue
        if kinds[begin] is _Is.WRITTEN:
            signature = _signature(lines, begin, end)
            kinds[signature:end] = [_Is.SIGNATURE] * (end - signature)
        begin = end


def _signature(lines: list[str], begin: int, end: int) -> int:
    """Return where the signature of the written lines [begin, end) begins; `end` for none."""
    first = end
    for number in range(max(begin, end - _LONGEST_SIGNATURE), end):
        line = lines[number][:40]
        # RFC 3676 4.3; many lose the space. A line of underscores is what lists put above their footer.
        if line.rstrip() == "--" or (line.startswith("_" * 20) and not line.strip("_ ")):
            first = number
            break
    while first > begin:
        last = first - 1
        while last > begin and not lines[last].strip():
            last -= 1
        if not _names_device(lines[last]):
            break
        first = last
    return first


def _names_device(line: str) -> bool:
    """Tell whether a line is as "Sent from my iPhone" or "Get Outlook for iOS", in some language."""
    if len(line) > 600:
        return False
    lowered = _LINK.sub("", line).strip(" \t*_[]<>.!\xa0").lower()
    if not 0 < len(lowered) <= 120:
        return False
    if any(phrase in lowered for phrase in words.GET_OUTLOOK) and len(lowered) <= 70:
        return True
    if not any(name in lowered for name in words.DEVICES):
        return False
    said = _WORD.findall(lowered)
    is_sent = bool(said) and (said[0].startswith(words.SENT_STEMS) or said[-1].startswith(words.SENT_STEMS))
    return (is_sent and len(said) <= 14) or any(word in lowered for word in words.SENT_WITHOUT_SPACES)
