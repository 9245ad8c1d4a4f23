"""The shapes in which mail servers write recipients and diagnostics into the text of a bounce.

The families are shapes, not products: an address on a line of its own with the
diagnostic below it (exim, qmail, Gmail, Exchange, Notes, m-FILTER and many
more), an address and its diagnostic on one line (Postfix, OpenSMTPD, Zoho),
the lines of an SMTP dialogue (sendmail, InterScan, EZweb), and a sentence that
names it. The strongest shape that is there decides; what is weaker is heard
only where nothing stronger speaks.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

from postroom.mail.bounce_formats import words
from postroom.mail.bounce_formats.named import ADDRESS, MAX_RECIPIENTS, Named, clean_address
from postroom.mail.bounce_formats.signs import is_failing

_MAX_LINES = 60_000
_BLOCK_LINES = 40
_LONGEST_TEXT = 4_000

_LEAD = r"[ \t]*(?:[-*•·+|o#]{1,3}[ \t]+|\d{1,3}[.)][ \t]+|\[\d+\][ \t]*)?"
_BARE = rf"[<\"'\[(]{{0,2}}({ADDRESS})[>\"'\])]{{0,2}}"
_MAILTO = rf"(?:[ \t]*<(?:mailto:)?{ADDRESS}>|[ \t]*\((?:mailto:)?{ADDRESS}\))?"

_PERSON = r"((?![245]\d\d[ -])[^\s@<>()\":][^@<>()\":]{0,60}[ \t]+(?=[<(]))?"
_ALONE = re.compile(rf"({_LEAD}){_PERSON}{_BARE}{_MAILTO}[ \t]*([:;.,]?)[ \t]*$")
_WITH_TEXT = re.compile(
    rf"({_LEAD})(<?)\"?{_BARE}{_MAILTO}\"?(>?)(?:[ \t]*(:|;|,|\.\.\.+|\[|\(|-+|=>|->)[ \t]*|[ \t]+)(\S.*)"
)
_LABELLED = re.compile(
    rf"[ \t>|*-]*{words.RECIPIENT}[ \t]*[:=：]+[ \t]*<?(?:rfc822;[ \t]*)?{_BARE}(.*)",  # noqa: RUF001
    re.IGNORECASE,
)
_RCPT = re.compile(rf"RCPT[ \t]+TO[ \t]*:?[ \t]*<?[ \t]*({ADDRESS})[ \t]*>?", re.IGNORECASE)
_REPLY_TO_US = re.compile(
    r"[ \t]*(?:<<<|<-|received[ \t]*>>>|out:|s:|.{0,30}said:)?[ \t]*([245]\d\d)(?:[ -]|$)", re.IGNORECASE
)
_CODE_FIRST = re.compile(
    rf"[ \t]*(?:<<<[ \t]*)?([45]\d\d)[ -](?:[45]\.\d{{1,3}}\.\d{{1,3}}[ \t]+)?[<(]?({ADDRESS})[>)]?"
    r"[ \t]*(?:\.\.\.|:|,|[ \t])[ \t]*(\S.*)"
)
_COLON_LAST = re.compile(rf"(.*[:：])[ \t]*{_BARE}[ \t]*[.,;]?[ \t]*(.*)")  # noqa: RUF001
_ANY = re.compile(ADDRESS)
_LOCAL_NAME = re.compile(r"[ \t]+([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:[ \t]{2,}(\S.*)|[ \t]*)$")
_RULES = frozenset({"--", "==", "**", "__", "|-", "++", ">>", "~~"})
_QUOTED = re.compile(r"[ \t]*>(?!>>)")
_CODE_SAID = re.compile(r"(?<![\d.])(?:[45]\d\d)(?![\d.])[ -:]")
_EMPTY = re.compile(r"[ \t]*(?:[-=*_#~|+. ]*|Giving up on [0-9.]+)$")
"""Lines that say nothing: qmail gives up on every host that refuses."""
_RULE = re.compile(r"[ \t]*[-=*_#~|+. ]{3,}$")


class Rank(IntEnum):
    """How much a shape says."""

    MENTION = 0
    """Stands somewhere in the text."""
    SENTENCE = 1
    """Named in a sentence that speaks of a failure, or on a line of its own somewhere."""
    LINE = 2
    """An address with a text behind it."""
    LIST = 3
    """An address where servers list those that failed, or in a dialogue that ended with a refusal."""


@dataclass(frozen=True, slots=True)
class _Found:
    address: str
    line: int
    rank: Rank
    shape: str
    inline: str = ""
    indent: int = -1


def read_shapes(lines: Sequence[str], innocent: Collection[str], domain: str = "") -> tuple[list[Named], Rank]:
    """Return whom a bounce's text names, and by how strong a shape; `innocent` (in lower case) only where nobody else.

    `lines` are those in front of the returned message; names without a domain are listed as those of `domain`.
    """
    lines = lines[:_MAX_LINES]
    found = _find(lines, domain)
    for rank in reversed(Rank):
        chosen = [one for one in found if one.rank >= rank and one.address.lower() not in innocent]
        if chosen:
            return _with_texts(lines, chosen), rank
    # Who sends to himself is listed; who is named in a reply may be the refused sender.
    chosen = [one for one in found if one.rank is Rank.LIST and one.shape in ("listed", "labelled", "dialogue")]
    return _with_texts(lines, chosen), Rank.LIST if chosen else Rank.MENTION


def _find(lines: Sequence[str], domain: str) -> list[_Found]:
    found: list[_Found] = []
    listing = -1
    before = ""
    for index, line in enumerate(lines):
        text = line.strip()
        if not text:
            continue
        if (
            index
            and words.ORIGINAL_FOLLOWS.match(line[:200])
            and (text[:2] in _RULES or any(one.rank > Rank.SENTENCE for one in found))
        ):
            break
        one: list[_Found] | None = None
        if _QUOTED.match(line) or len(found) >= MAX_RECIPIENTS:
            pass
        elif "@" in text:
            one = _read_line(lines, index, line, before, listing, bool(found) and found[-1].line == index - 1)
        elif domain and _lists(before) and (local := _LOCAL_NAME.match(line)):
            one = _one(f"{local[1]}@{domain}", index, Rank.LINE, "local name", local[2] or "")
        if one:
            found += one
            if one[0].rank is Rank.LIST and one[0].indent >= 0:
                # A dialogue below a recipient ends no list.
                listing = one[0].indent
        if not _RULE.match(text):
            before = text
    return found


def _read_line(
    lines: Sequence[str], index: int, line: str, before: str, listing: int, is_below: bool
) -> list[_Found] | None:
    """Return whom one line names; `before` is the line above, `listing` the indent of a list that it may belong to."""
    if rcpt := _RCPT.search(line):
        is_taken = _taken_below(lines, index)
        if is_taken and not _refused_below(lines, index):
            return None
        return _one(rcpt[1], index, Rank.LINE if is_taken else Rank.LIST, "dialogue", line[rcpt.end() :])
    if coded := _CODE_FIRST.match(line):
        return _one(coded[2], index, Rank.LIST, "reply", line)
    if words.EXPANDED.match(line.strip()):
        found = _ANY.search(line)
        return _one(found[0], index, Rank.LIST if is_below else Rank.SENTENCE, "expanded", "") if found else None
    if words.SUMMARY.match(line):
        return None
    if labelled := _LABELLED.match(line):
        return _one(labelled[1], index, Rank.LIST, "labelled", labelled[2])
    if alone := _ALONE.match(line):
        indent = len(alone[1].expandtabs())
        is_certain = bool(alone[4] == ":" or _diagnoses(lines, index))
        is_listed = is_certain or indent == listing or _introduces(before)
        if not is_certain and words.CONTACT.search(before):
            return None
        if is_listed or not alone[2]:
            return _one(alone[3], index, Rank.LIST if is_listed else Rank.SENTENCE, "listed", "", indent)
    if with_text := _WITH_TEXT.match(line):
        indent = len(with_text[1].expandtabs())
        separator, said = with_text[5] or "", with_text[6]
        # Both are told: who was written to, and where that leads.
        expanded = _ANY.findall(said)[:1] if words.EXPANDED.match(said) else []
        is_listed = bool(expanded) or (with_text[2] == "<" and separator.startswith(":"))
        is_listed = is_listed or indent == listing or _introduces(before)
        if is_listed or is_failing(said) or _CODE_SAID.search(said):
            is_strong = is_listed or separator in (":", "...", "[", "(")
            rank = Rank.LIST if is_strong else Rank.LINE
            texts = (with_text[3], *expanded)
            return [one for text in texts for one in _one(text, index, rank, "line", said, indent) or ()] or None
    return _in_sentence(lines, index, line, before)


def _in_sentence(lines: Sequence[str], index: int, line: str, before: str) -> list[_Found] | None:
    if words.CONTACT.search(line):
        return None
    after = next((text for text in lines[index + 1 : index + 3] if text.strip()), "")
    fails = is_failing(line) or is_failing(before) or is_failing(after)
    if fails and (last := _COLON_LAST.match(line)) and is_failing(last[1]) and not words.WHO_ACTED.search(last[1]):
        rank = Rank.LIST if words.DELIVERS.search(last[1]) else Rank.LINE
        texts = [last[2], *_ANY.findall(last[3])]
        return [one for text in texts for one in _one(text, index, rank, "sentence", last[3]) or ()] or None
    found: list[_Found] = []
    for match in _ANY.finditer(line):
        before_it = line[max(match.start() - 60, 0) : match.start()]
        if not words.WHO_ACTED.search(before_it):
            is_told = words.DELIVERS_TO.search(before_it) or _REPLY_TO_US.match(line)
            rank = Rank.MENTION if not fails else Rank.LINE if is_told else Rank.SENTENCE
            found += _one(match[0], index, rank, "sentence", line) or ()
    return found or None


def _one(text: str, line: int, rank: Rank, shape: str, inline: str, indent: int = -1) -> list[_Found] | None:
    address = clean_address(text)
    return [_Found(address, line, rank, shape, inline.strip(), indent)] if address else None


def _introduces(before: str) -> bool:
    """Tell whether the line above could announce an address."""
    return before.endswith((":", "：")) or _lists(before)  # noqa: RUF001


def _lists(before: str) -> bool:
    """Tell whether the line above announces recipients that failed."""
    return words.LISTED.search(before) is not None and is_failing(before)


def _diagnoses(lines: Sequence[str], index: int) -> bool:
    """Tell whether the lines below an address on its own say why it failed."""
    indent = len(lines[index]) - len(lines[index].lstrip())
    for line in lines[index + 1 : index + 3]:
        text = line.strip()
        if not text:
            continue
        deeper = len(line) - len(line.lstrip()) > indent
        return bool(
            _CODE_SAID.search(text)
            or (deeper and is_failing(text))
            or text.startswith(("SMTP ", "host ", "Remote ", "#5", "#4"))
        )
    return False


def _taken_below(lines: Sequence[str], index: int) -> bool:
    """Tell whether the next answer in the dialogue below took the recipient."""
    answers = (_REPLY_TO_US.match(line) for line in lines[index + 1 : index + 4])
    return next((answer[1].startswith("2") for answer in answers if answer), False)


def _refused_below(lines: Sequence[str], index: int) -> bool:
    """Tell whether anything is refused in the dialogue below a recipient that was taken, or the lines tell no more."""
    answers = [answer[1] for line in lines[index + 1 : index + _BLOCK_LINES] if (answer := _REPLY_TO_US.match(line))]
    return len(answers) < 2 or any(answer[0] != "2" for answer in answers)


def _with_texts(lines: Sequence[str], found: Sequence[_Found]) -> list[Named]:
    """Give every recipient the lines that speak of it: behind the address and below it, then above it."""
    texts: dict[str, list[str]] = {}
    above: dict[str, list[str]] = {}
    first: dict[str, _Found] = {}
    in_dialogue: set[str] = set()
    said = _said(lines, found)
    for position, one in enumerate(found):
        key = one.address.lower()
        first.setdefault(key, one)
        if one.shape == "dialogue" and one.rank is Rank.LIST:
            in_dialogue.add(key)
        start = max(found[position - 1].line + 1 if position else 0, one.line - 6)
        before = "\n".join(line.strip() for line in lines[start : one.line] if line.strip())
        texts.setdefault(key, []).append(said[position][:_LONGEST_TEXT])
        above.setdefault(key, []).append(before[:_LONGEST_TEXT])
    # What stands above may be the last word on another one.
    texts = {key: [text for text in (*own, *above[key]) if text] for key, own in texts.items()}
    return [
        Named(
            one.address,
            tuple(dict.fromkeys(texts[key])),
            command="RCPT" if key in in_dialogue else "",
            family=one.shape,
        )
        for key, one in first.items()
    ]


def _said(lines: Sequence[str], found: Sequence[_Found]) -> list[str]:
    """Return the text behind and below each address, up to the next one; of addresses side by side that of the last."""
    said = [""] * len(found)
    following = ""
    for position in range(len(found) - 1, -1, -1):
        one = found[position]
        start = one.line + 1
        end = found[position + 1].line if position + 1 < len(found) else len(lines)
        below = (line.strip() for line in lines[start : min(end, start + _BLOCK_LINES)] if not _EMPTY.match(line))
        # A line of a dialogue is whole in itself.
        text = one.inline if one.shape == "reply" else "\n".join((one.inline, *below)).strip()
        following = said[position] = text or following
    return said
