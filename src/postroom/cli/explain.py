"""`postroom explain`: what the classifier thinks a mail is, whom it names, and why."""

import codecs
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from postroom.mail.classify import classify
from postroom.mail.mbox import mails_of
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind, Reported, Verdict

_INPUT = "-"
_MOST_BYTES = 256 << 20
"""No mail is larger, and a device has no end."""
_COLOURS = {MailKind.BOUNCE: "red", MailKind.COMPLAINT: "red", MailKind.DELAY: "yellow", MailKind.UNSUBSCRIBE: "yellow"}
_REPORTS = frozenset({MailKind.BOUNCE, MailKind.DELAY})


@click.command("explain")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
def command(as_json: bool, files: tuple[str, ...]) -> None:
    """Say what each FILE is: bounce, complaint, reply, …, whom it names, and which line says so.

    A FILE is one mail, an mbox, or a folder of such; without any, it is read from standard input.
    Needs no server and no data folder, and changes nothing. Exit code 1 where a file could not be
    read, else 0, whatever the mails are.
    """
    trouble = _Trouble()
    kinds = Counter[MailKind]()
    for name in _files(files or (_INPUT,), trouble):
        read = _read(name, trouble)
        mails = [] if read is None else list(mails_of(read))
        for number, raw in enumerate(mails, 1):
            verdict = classify(raw)
            kinds[verdict.kind] += 1
            of_several = number if len(mails) > 1 else 0
            if as_json:
                line = json.dumps(_json(name, of_several, verdict), ensure_ascii=False)
                # What is no text in a name or a mail stays readable JSON: an escape of its own.
                click.echo(line.encode("utf-8", "backslashreplace"))
            else:
                click.echo("\n".join(_lines(_title(name, of_several), verdict)))
            if not Received(raw).header:
                trouble.tell(_title(name, of_several), "it has no header field: is this a mail?")
    if kinds.total() > 1 and not as_json:
        click.echo(_sums(kinds))
    if trouble.unread:
        sys.exit(1)


class _Trouble:
    """What is told on standard error, a line each."""

    def __init__(self) -> None:
        self.unread: set[str] = set()
        """Files that could not be read."""

    def tell(self, name: str, why: str) -> None:
        """Say what is wrong with a file."""
        click.echo(f"postroom: {_shown(name)}: {why}", err=True)

    def failed(self, name: str, why: str) -> None:
        """Say why a file could not be read."""
        self.unread.add(name)
        self.tell(name, why)


def _files(names: tuple[str, ...], trouble: _Trouble) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name == _INPUT or not path.is_dir():
            yield name
            continue
        found = [str(one) for one in sorted(path.rglob("*")) if _is_mail(one, path)]
        if not found:
            trouble.tell(name, "there is no file in this folder")
        yield from found


def _is_mail(found: Path, folder: Path) -> bool:
    return found.is_file() and not any(part.startswith(".") for part in found.relative_to(folder).parts)


def _read(name: str, trouble: _Trouble) -> bytes | None:
    """Return the bytes of a file, or None where it cannot be read."""
    if name == _INPUT:
        if sys.stdin.isatty():
            click.echo("postroom: reading a mail from standard input; it ends with Ctrl-D", err=True)
        raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
        except OSError as error:
            trouble.failed(name, error.strerror or str(error))
            return None
    if len(raw) > _MOST_BYTES:
        trouble.failed(name, f"it is larger than {_MOST_BYTES >> 20} MB, and so no mail")
        return None
    # Some editors put it in front of what they save; no mail that came over a wire begins with it.
    return raw.removeprefix(codecs.BOM_UTF8)


def _title(name: str, number: int) -> str:
    return f"{name} (mail {number})" if number else name


def _sums(kinds: Counter[MailKind]) -> str:
    told = ", ".join(f"{amount:,} {kind.value.replace('_', ' ')}" for kind, amount in kinds.most_common())
    return f"{kinds.total():,} mails: {told}"


def _json(name: str, number: int, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": name,
        "kind": verdict.kind.value,
        "recipients": [_recipient(one) for one in verdict.recipients],
        "evidence": verdict.evidence,
        "rule": verdict.rule,
        "doubtful": verdict.is_doubtful,
        "facts": dict(verdict.facts),
        "answers": list(verdict.answers),
        "returned_to": list(verdict.returned_to),
        "marks": [{"kind": mark.kind.name.lower(), "text": mark.text, "where": mark.where} for mark in verdict.marks],
        **({"mail": number} if number else {}),
    }


def _recipient(one: Reported) -> dict[str, Any]:
    return {
        "address": one.address,
        "hard": one.is_hard,
        "reason": one.reason.value,
        "status": one.status,
        "evidence": one.evidence,
        "rule": one.rule,
        "reply_code": one.reply_code,
    }


def _lines(title: str, verdict: Verdict) -> Iterator[str]:
    kind = click.style(verdict.kind.value.replace("_", " "), bold=True, fg=_COLOURS.get(verdict.kind))
    yield f"{_shown(title)}: {kind}. {verdict.kind.meaning}"
    if verdict.is_doubtful:
        yield click.style("  It may mean something else: a person should look at it.", fg="yellow")
    for one in verdict.recipients:
        yield from _recipient_lines(one, verdict.kind)
    if verdict.kind in _REPORTS and not verdict.recipients:
        yield "  It names no recipient."
    if verdict.kind not in _REPORTS and verdict.kind is not MailKind.OTHER and verdict.evidence:
        yield f"  “{_shown(verdict.evidence)}”"
    facts = list(_facts(verdict))
    width = max(len(name) for name, _ in facts) + 2
    for name, fact in facts:
        yield click.style(f"  {name + ':':<{width}}{fact}", dim=True)
    yield ""


def _facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield what else is known of a mail, names and values, for a column of each."""
    yield "rule", _shown(verdict.rule)
    for name, fact in verdict.facts:
        yield _shown(name).replace("_", " "), _shown(fact)
    if verdict.answers:
        yield "answers or returns", _shown(", ".join(verdict.answers))
    if verdict.returned_to:
        yield "returned mail was to", _shown(", ".join(verdict.returned_to))
    for mark in verdict.marks:
        yield "mark of ours in", _shown(mark.where)


def _recipient_lines(one: Reported, kind: MailKind) -> Iterator[str]:
    if kind not in _REPORTS:
        yield f"  {_shown(one.address)}"
        return
    weight = click.style("hard", fg="red") if one.is_hard else click.style("soft", fg="yellow")
    codes = " ".join(str(code) for code in (one.reply_code, one.status) if code)
    yield f"  {_shown(one.address)}: {weight}, {one.reason.value}{f' ({_shown(codes)})' if codes else ''}"
    yield f"    {one.reason.meaning}"
    if one.evidence:
        yield f"    “{_shown(one.evidence)}”"
    yield click.style(f"    rule: {_shown(one.rule)}", dim=True)


def _shown(text: str) -> str:
    """Return text of strangers for a terminal: what could steer it is left out."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
