"""`postroom explain`: what the classifier thinks a mail is, whom it names, and why."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from postroom.mail.classify import classify
from postroom.mail.verdict import MailKind, Reported, Verdict

_INPUT = "-"
_COLOURS = {MailKind.BOUNCE: "red", MailKind.COMPLAINT: "red", MailKind.DELAY: "yellow", MailKind.UNSUBSCRIBE: "yellow"}
_REPORTS = frozenset({MailKind.BOUNCE, MailKind.DELAY})


@click.command("explain")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
def command(as_json: bool, files: tuple[str, ...]) -> None:
    """Say what each FILE is: bounce, complaint, reply, …, whom it names, and which line says so.

    A FILE is one mail, or a folder of such; without any, a mail is read from standard input.
    Needs no server and no data folder, and changes nothing. Exit code 1 where a file could not be
    read, else 0, whatever the mails are.
    """
    unread = 0
    for name in _mails(files or (_INPUT,)):
        try:
            raw = sys.stdin.buffer.read() if name == _INPUT else Path(name).read_bytes()
        except OSError as error:
            click.echo(f"postroom: {_shown(name)}: {error.strerror}", err=True)
            unread += 1
            continue
        verdict = classify(raw)
        if as_json:
            line = json.dumps(_json(name, verdict), ensure_ascii=False)
            # What is no text in a name or a mail stays readable JSON: an escape of its own.
            click.echo(line.encode("utf-8", "backslashreplace"))
        else:
            click.echo("\n".join(_lines(name, verdict)))
    if unread:
        sys.exit(1)


def _mails(files: tuple[str, ...]) -> Iterator[str]:
    for name in files:
        path = Path(name)
        if name != _INPUT and path.is_dir():
            yield from (str(found) for found in sorted(path.rglob("*")) if _is_mail(found, path))
        else:
            yield name


def _is_mail(found: Path, folder: Path) -> bool:
    return found.is_file() and not any(part.startswith(".") for part in found.relative_to(folder).parts)


def _json(name: str, verdict: Verdict) -> dict[str, Any]:
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


def _lines(name: str, verdict: Verdict) -> Iterator[str]:
    kind = click.style(verdict.kind.value.replace("_", " "), bold=True, fg=_COLOURS.get(verdict.kind))
    yield f"{_shown(name)}: {kind}. {verdict.kind.meaning}"
    if verdict.kind not in _REPORTS and verdict.evidence:
        yield f"    “{_shown(verdict.evidence)}”"
    yield click.style(f"    rule: {_shown(verdict.rule)}", dim=True)
    if verdict.is_doubtful:
        yield click.style("    It may mean something else: a person should look at it.", fg="yellow")
    for name, fact in verdict.facts:
        yield click.style(f"    {_shown(name).replace('_', ' ')}: {_shown(fact)}", dim=True)
    for one in verdict.recipients:
        yield from _recipient_lines(one, verdict.kind)
    if verdict.kind in _REPORTS and not verdict.recipients:
        yield "  It names no recipient."
    for label, found in (("answers or returns", verdict.answers), ("the returned mail is to", verdict.returned_to)):
        if found:
            yield click.style(f"  {label} {_shown(', '.join(found))}", dim=True)
    for mark in verdict.marks:
        yield click.style(f"  carries a mark of ours in {_shown(mark.where)}", dim=True)
    yield ""


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
