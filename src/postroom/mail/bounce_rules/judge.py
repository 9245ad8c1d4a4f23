"""Why a mail was not delivered, judged from what was told about one recipient.

The text comes first, since hosts write what they mean and choose codes
carelessly; then the SMTP command that was refused, then the codes. Where
nothing is known, nobody is blamed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from postroom.mail.bounce_rules import (
    addresses,
    asian,
    contents,
    european,
    hosts,
    machines,
    mailboxes,
    northern_eastern,
    senders,
    weak,
)
from postroom.mail.bounce_rules.codes import BY_REPLY_CODE, BY_REPLY_CODE_TO_MAIL, BY_STATUS
from postroom.mail.bounce_rules.rule import GENERAL, Line, Rule, Rules
from postroom.mail.reasons import Reason
from postroom.mail.smtp_reply import SmtpReply

MOST_LINES = 40
"""Lines that are looked at. A report says what it has to say about one recipient in fewer."""

_RULES = Rules(
    (
        *hosts.RULES,
        *european.RULES,
        *northern_eastern.RULES,
        *asian.RULES,
        *senders.RULES,
        *contents.RULES,
        *mailboxes.RULES,
        *machines.RULES,
        *addresses.RULES,
    )
)
_WEAK = Rules(weak.RULES)
_DOUBTS = Rules(weak.DOUBTS)
LISTS = (_RULES, _WEAK)
"""The rules in the order in which they are asked."""

_EVIDENCE = 500
_LONGEST_TEXT = 20_000
_REPLY_CODE = re.compile(r"(?<![\w.\[-])([45][0-5]\d)(?![\w.])")
_ADDED = re.compile(r": (?=retry timeout exceeded)")
"""Where Exim goes on behind the reply that it got last."""
_GLOSS = re.compile(r"[45]54 [45]\.0\.0 Service unavailable")
"""What sendmail makes of any refusal of the mail, below the refusal itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a failure comes from."""

    reason: Reason = Reason.UNDETERMINED
    is_hard: bool = False
    """The address is dead."""
    evidence: str = ""
    """The line that decided, at most 500 characters; empty where nothing did."""
    rule: str = ""
    """Name of the rule that decided."""


UNDETERMINED = Judged()
"""What silence is judged as."""


def reason_of(
    texts: Sequence[str], *, reply_code: int | None, status: str, host: str = "", command: str = ""
) -> Judged:
    """Judge why a mail to one recipient failed.

    `texts` are the lines told about this recipient, the most telling first;
    40 lines and of each the first 2,000 characters count. `host` is the name of
    the host that answered, `command` the SMTP command that it answered (`RCPT`,
    `DATA`, `MAIL`, `CONNECT`, …); both may be empty, `command` is then looked
    for in the texts. Codes that stand in the texts count before `reply_code` and
    `status`, which a relay often writes for its own.
    """
    lines = [line for line in map(Line, _lines(texts)) if line.raw]
    command = command.upper()[:4]
    where = " ".join((host, *(line.raw for line in lines))).lower()[:6000]
    for rules in LISTS:
        found = _find(rules, lines, where, status)
        if found is not None:
            rule, line = found
            told, code = _status(line, lines, status), _code(line, lines, reply_code)
            judged = _judged(rule, line, told, code, command or _command(line, lines))
            return replace(judged, is_hard=judged.is_hard and not _was_put_off(code, status))
    first = lines[0] if lines else Line("")
    told, code = _status(first, lines, status), _code(first, lines, reply_code)
    return _by_codes(first, told, code, command or _command(first, lines))


def reason_of_reply(reply: SmtpReply, *, host: str = "", command: str = "") -> Judged:
    """Judge why a peer refused a recipient in the dialogue; `command` is what `reply` answers.

    Without command the reply is our own, of a recipient that no peer was asked
    about. A transient reply is never hard: the peer itself says that it may change.
    """
    # As one line: what its last line says may be about its first.
    judged = reason_of([str(reply)], reply_code=reply.code, status=reply.status, host=host, command=command)
    return judged if reply.is_permanent else replace(judged, is_hard=False)


def _lines(texts: Sequence[str]) -> list[str]:
    """Return the lines of all texts, each once, as many as count."""
    told = (_ADDED.sub("\n", text[:_LONGEST_TEXT]) for text in texts)
    lines = (line.strip() for text in told for line in text.splitlines())
    found = dict.fromkeys(islice(lines, 4 * MOST_LINES))
    return [line for line in found if not _GLOSS.fullmatch(line)][:MOST_LINES] or list(found)


def _find(rules: Rules, lines: Sequence[Line], where: str, status: str) -> tuple[Rule, Line] | None:
    """Return the rule that fits the first line that one fits; a sentence may go on in the next line."""
    following = _fitting(rules, lines, 0, where, status)
    for position, line in enumerate(lines):
        rule, following = following, None
        if rule is not None:
            return rule, line
        if position + 1 < len(lines):
            following = _fitting(rules, lines, position + 1, where, status)
            both = Line(f"{line.raw} {lines[position + 1].raw}")
            crossing = rules.find(both.folded, where, _status(both, lines, status))
            if crossing is not None and crossing is not following:
                return crossing, both
    return None


def _fitting(rules: Rules, lines: Sequence[Line], position: int, where: str, status: str) -> Rule | None:
    if position >= len(lines):
        return None
    return rules.find(lines[position].folded, where, _status(lines[position], lines, status))


def _judged(rule: Rule, line: Line, status: str, code: int | None, command: str) -> Judged:
    if rule.reason.is_hard and not rule.is_sure:
        # Who says both that a user is unknown and that we are blocked has blocked us.
        rule = _DOUBTS.find(line.folded, "", status) or rule
    reason = rule.reason
    if (reason.is_hard or rule in _WEAK) and command in _BEFORE_RECIPIENT:
        # No recipient was named yet: what does not exist is the sender or we.
        reason = _BEFORE_RECIPIENT[command]
    elif reason.is_hard and not rule.is_sure and status[1:] in _OF_SENDERS:
        reason = Reason.SENDER_REJECTED
    elif reason is Reason.NO_SUCH_USER and not rule.is_sure and not _is_believed(status, code, command):
        # Filters answer so after they have seen the mail: what they mean is that they do not want it.
        reason = Reason.FILTERED
    return Judged(reason, _is_hard(reason, status, code), line.raw[:_EVIDENCE], rule.name)


def _is_believed(status: str, code: int | None, command: str) -> bool:
    """Tell whether `no such user` is about the address, not the answer of a filter."""
    if status[1:].startswith((".1.", ".2.1")):
        return True
    if (not status or GENERAL.fullmatch(status)) and code is None and not command:
        # No reply is told: a mail system speaks of mailboxes of its own.
        return True
    is_permanent = not status.startswith("4") and (code is None or code >= 500)
    return command == "RCPT" and is_permanent and not status[1:].startswith(".7.")


def _was_put_off(code: int | None, status: str) -> bool:
    """Tell whether a peer said *later* until it was given up on; the `status` of the report may know more."""
    return code is not None and code < 500 and status != "" and not status[1:].startswith(".1.")


def _is_hard(reason: Reason, status: str, code: int | None) -> bool:
    if reason in (Reason.NO_SUCH_DOMAIN, Reason.ACCEPTS_NO_MAIL):
        # A name server may be wrong for a while. Who says so himself is taken at his word.
        return not (status.startswith("4") or (not status and code is not None and code < 500))
    return reason.is_hard


def _by_codes(line: Line, status: str, code: int | None, command: str) -> Judged:
    evidence = line.raw[:_EVIDENCE]
    if command in _BEFORE_RECIPIENT:
        return _before_recipient(evidence, status, code, command)
    reason = BY_STATUS.get(status[1:])
    if reason is not None:
        return Judged(reason, _is_hard(reason, status, code), evidence or status, f"status {status}")
    reason = BY_REPLY_CODE.get(code or 0)
    if reason is not None:
        return Judged(reason, _is_hard(reason, status, code), evidence or str(code), f"reply code {code}")
    if evidence or status or code is not None:
        return Judged(Reason.ON_HOLD, False, evidence or status, "")
    return UNDETERMINED


def _before_recipient(evidence: str, status: str, code: int | None, command: str) -> Judged:
    """Judge by its codes a reply to a command before RCPT, where no recipient was named yet."""
    if status[1:].startswith(_OF_SYSTEMS) and status[1:] in BY_STATUS:
        return Judged(BY_STATUS[status[1:]], False, evidence, f"status {status}")
    if command == "MAIL" and code in BY_REPLY_CODE_TO_MAIL:
        return Judged(BY_REPLY_CODE_TO_MAIL[code], False, evidence, f"reply code {code} to MAIL")
    return Judged(_BEFORE_RECIPIENT[command], False, evidence, f"command {command}")


def _status(line: Line, lines: Sequence[Line], status: str) -> str:
    """Return the status that belongs to a line: its own, else the given one, else one of the other lines."""
    if line.status and not GENERAL.fullmatch(line.status):
        return line.status
    others = (each.status for each in lines if each.status and not GENERAL.fullmatch(each.status))
    return status or line.status or next(others, "")


def _code(line: Line, lines: Sequence[Line], reply_code: int | None) -> int | None:
    for each in (line, *lines):
        found = _REPLY_CODE.search(each.raw)
        if found:
            return int(found[1])
    return reply_code


_OF_SENDERS = (".1.7", ".1.8")
"""RFC 3463 3.2: status codes about the sender's address, whatever does not exist in their text."""
_OF_SYSTEMS = (".3.", ".4.")
"""RFC 3463 3.4 and 3.5: status codes about machines and the way between them, whichever command they answer."""

_BEFORE_RECIPIENT = {
    "CONN": Reason.BLOCKED,
    "EHLO": Reason.BLOCKED,
    "HELO": Reason.BLOCKED,
    "MAIL": Reason.SENDER_REJECTED,
}
_COMMANDS = (
    ("end of data", "DATA"),
    ("in reply to data command", "DATA"),
    ("did not like our final data", "DATA"),
    ("after i sent the message", "DATA"),
    ("for text command", "DATA"),
    # Google told so until 2016 at which step it was refused.
    ("(state 17)", "DATA"),
    ("(state 18)", "DATA"),
    ("(state 14)", "RCPT"),
    ("in reply to rcpt to", "RCPT"),
    ("after rcpt to", "RCPT"),
    # In chasquid's words.
    ("mail+rcpt", "RCPT"),
    # In fetchmail's, of recipients.
    ("addresses were rejected by the mda", "RCPT"),
    ("after rcpt command", "RCPT"),
    ("for rcpt to", "RCPT"),
    ("rcpt to response", "RCPT"),
    ("like our rcpt to", "RCPT"),
    ("does not like recipient", "RCPT"),
    ("[rcpt_to]", "RCPT"),
    ("smtp:rcpt", "RCPT"),
    ("in reply to mail from", "MAIL"),
    ("after mail from", "MAIL"),
    ("[mail_from]", "MAIL"),
    ("but sender was rejected", "MAIL"),
    ("after initial connection", "CONN"),
    ("while receiving the initial server greeting", "CONN"),
    ("after ehlo", "EHLO"),
    ("after helo", "HELO"),
    ("in reply to ehlo", "EHLO"),
    ("in reply to helo", "HELO"),
)
_SENT = re.compile(r">>> ?([a-z]{4})")


def _command(line: Line, lines: Sequence[Line]) -> str:
    """Return the SMTP command that the texts say a line answers, or nothing."""
    for each in (line, *lines):
        for words, command in _COMMANDS:
            if words in each.folded:
                return command
    # The dialogue as sendmail shows it has the reply below its command.
    answer = line.folded.removeprefix("<<<").strip()
    sent = ""
    for each in lines:
        match = _SENT.match(each.folded)
        if match is not None:
            sent = match[1].upper()
        elif sent and answer and each.folded.startswith("<<<") and answer in each.folded:
            return sent
    return ""
