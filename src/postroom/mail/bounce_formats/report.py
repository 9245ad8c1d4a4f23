"""Whether a mail is a report about a delivery, of which kind, and whom it names.

What programs wrote for programs counts first: the outermost report, SES'
notifications, X-Failed-Recipients. Then the text, by the shapes that servers
write. The returned message's To is the last resort. The sender, postmasters
and others who happen to be named are innocent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from postroom.mail.address_list import parse_address_list
from postroom.mail.bounce_formats.delivery_status import read_blocks, read_status
from postroom.mail.bounce_formats.named import MAX_RECIPIENTS, Named, clean_address
from postroom.mail.bounce_formats.refusal import REFUSAL, read_refusal
from postroom.mail.bounce_formats.ses_json import read_ses
from postroom.mail.bounce_formats.shapes import Rank, read_shapes
from postroom.mail.bounce_formats.signs import (
    addresses_in_failing_subject,
    has_null_path,
    is_answer,
    is_by_program,
    is_delay,
    is_failing,
    is_failing_subject,
    is_from_system,
    reads_like_a_letter,
)
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind

_KINDS = {
    "delayed": MailKind.DELAY,
    "delivered": MailKind.RECEIPT,
    "relayed": MailKind.RECEIPT,
    "expanded": MailKind.RECEIPT,
    # Postfix' answer to `sendmail -bv`, which asks whether an address would be taken.
    "deliverable": MailKind.RECEIPT,
}
_LABELS = (
    b"message/delivery-report",
    b"message/delivery-status-notification",
    b"application/octet-stream",
    b"text/plain",
)
_MOST_WITH_WORDS = 200
"""Recipients of a report with fields whose words for people are read as well."""
_RETURNED = "returned message"
_ANSWERING = frozenset({"in-reply-to", "references"})
_SYSTEM_LOCAL_PARTS = ("postmaster@", "mailer-daemon@", "abuse@", "hostmaster@")


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A bounce, a delay report or a receipt of a mail system."""

    kind: MailKind
    named: tuple[Named, ...]
    """Empty where it does not say whom it is about."""
    rule: str
    texts: tuple[str, ...]
    """What the report says as a whole, for recipients of whom it says nothing else."""


def read_report(mail: Received) -> DeliveryReport | None:
    """Return what a mail reports about a delivery, or None where it is no such report."""
    report = _read(mail)
    if report is not None and (not report.named or report.named[0].family == _RETURNED):
        # A gateway or a role's mailbox passed a bounce on without a word about it, so what it holds is the report.
        inner = _read(Received(mail.returned_raw)) if mail.returned_raw else None
        if inner is not None and inner.named and inner.named[0].family != _RETURNED:
            return inner
    return report


def _read(mail: Received) -> DeliveryReport | None:
    subject = mail.header.value("subject")
    if ses := read_ses(mail.body):
        return _from_fields(ses, mail, (subject,))
    if mail.report_type == "feedback-report" or not _could_be(mail, subject):
        return None
    told = [line for line in mail.told if line.strip()]
    common = (subject, "\n".join(told)[:4_000])
    fields = read_status(mail) or _fields_in_text(mail)
    if fields and (mail.report_type or (not is_answer(subject) and _is_by_machine(mail))):
        return _from_fields(fields, mail, common)
    if refusing := read_refusal(mail):
        return DeliveryReport(MailKind.BOUNCE, tuple(refusing), REFUSAL, common)
    if mail.report_type == "disposition-notification" and not (is_from_system(mail) and is_failing_subject(subject)):
        return None
    domain = mail.header.value("from").rpartition("@")[2].strip("> ") if is_from_system(mail) else ""
    shapes, rank = read_shapes(mail.told, _innocent(mail), domain)
    listed = [clean_address(text) for text in mail.header.value("x-failed-recipients").split(",")]
    listed = [address for address in listed if address][:MAX_RECIPIENTS]
    if not listed and not _is_report(mail, subject, told, rank if shapes else None):
        return None
    if listed and rank is not Rank.LIST:
        texts = {one.address.lower(): one.texts for one in shapes}
        shapes = [Named(address, texts.get(address.lower(), ()), family="x-failed-recipients") for address in listed]
    if not shapes or (rank is Rank.MENTION and len(shapes) > 1):
        shapes = _returned_to(mail, subject)
    kind = MailKind.DELAY if is_delay(subject, common[1]) else MailKind.BOUNCE
    return DeliveryReport(kind, tuple(shapes), shapes[0].family if shapes else "words", common)


def _could_be(mail: Received, subject: str) -> bool:
    """Tell at little cost whether a mail could be a report: most are not."""
    return (
        mail.report_type != ""
        or mail.media_type == "multipart/report"
        or is_failing_subject(subject)
        or _is_by_machine(mail)
    )


def _fields_in_text(mail: Received) -> list[Named]:
    """Return the recipients of fields that stand in texts, as gateways leave them and where MIME is broken."""
    texts = ["\n".join(line.strip(" \t>") if ":" in line else line for line in mail.told)]
    if mail.report_type:
        # Whatever its label, the second part of a report is one.
        texts += [mail.text(number) for name in _LABELS for number in mail.leaves(name)[:3]]
    return next((named for text in texts if "inal-" in text and (named := read_blocks(text))), [])


def _from_fields(named: list[Named], mail: Received, common: tuple[str, ...]) -> DeliveryReport:
    named = [one if one.action else replace(one, action=_action(one, common)) for one in named]
    failed = [one for one in named if one.action not in _KINDS]
    chosen = failed or named
    once = {one.address.lower(): one for one in reversed(chosen)}
    chosen = [once[key] for key in dict.fromkeys(one.address.lower() for one in chosen)]
    kind = MailKind.BOUNCE if failed else _KINDS[named[0].action]
    if len(chosen) <= _MOST_WITH_WORDS:
        words = {one.address.lower(): one for one in read_shapes(mail.told, ())[0]}
        chosen = [_with_words(one, words.get(one.address.lower())) for one in chosen]
    return DeliveryReport(kind, tuple(chosen), chosen[0].family, common if len(chosen) == 1 else common[:1])


def _with_words(one: Named, words: Named | None) -> Named:
    """Return a recipient of the fields with what the words for people say about it."""
    if words is None:
        return one
    return replace(one, texts=(*one.texts, *words.texts), command=one.command or words.command)


def _action(one: Named, common: tuple[str, ...]) -> str:
    """Return the action of a recipient whose fields tell none."""
    if one.status.startswith("2"):
        return "delivered"
    return "delayed" if one.status.startswith("4") and is_delay(common[0], common[-1]) else "failed"


def _is_report(mail: Received, subject: str, told: list[str], rank: Rank | None) -> bool:
    """Weigh who sent it, what its subject says and what its text shows."""
    is_system, is_null = is_from_system(mail), has_null_path(mail)
    fails = is_failing_subject(subject)
    says_so = any(is_failing(line) for line in told[:60])
    if mail.media_type == "multipart/report":
        return is_system or fails or says_so
    if is_answer(subject) or not (is_system or fails):
        # A person who quotes a bounce, or a machine that answers for one.
        return rank is Rank.LIST and says_so and (is_system or is_null)
    if not _is_by_machine(mail):
        # Persons write about bounces, too, and copy them into their letters.
        is_letter = bool(_ANSWERING & set(mail.header)) or reads_like_a_letter(mail, told)
        return rank is Rank.LIST and says_so and not is_letter
    named = rank is not None and rank > Rank.MENTION
    weight = 2 * is_system + is_null + 2 * fails + says_so + bool(mail.returned)
    weight += rank is Rank.LIST or (is_system and rank is Rank.LINE)
    return weight >= 4 and (named or bool(mail.returned) or (is_system and is_null))


def _is_by_machine(mail: Received) -> bool:
    return is_from_system(mail) or has_null_path(mail) or is_by_program(mail)


def _innocent(mail: Received) -> set[str]:
    """Return the addresses, in lower case, that no weak shape accuses: authors of both messages, postmasters."""
    found: set[str] = set()
    for header, names in (
        (mail.header, ("from", "to", "reply-to", "sender", "return-path", "delivered-to")),
        (mail.returned, ("from", "return-path", "reply-to", "sender", "message-id", "errors-to", "x-sender")),
    ):
        for name in names:
            found.update(
                mailbox.address.strip("<>").lower() for mailbox in parse_address_list(header.raw(name)[:10_000])
            )
    # Who writes to himself is no innocent.
    found -= {mailbox.address.lower() for mailbox in parse_address_list(mail.returned.raw("to")[:10_000])}
    found.update(word.lower() for word in _words(mail.told) if word.lower().startswith(_SYSTEM_LOCAL_PARTS))
    return found


def _words(lines: Iterable[str]) -> Iterable[str]:
    return (word.strip("<>()[].,;:\"'") for line in lines if "@" in line for word in line.split() if "@" in word)


def _returned_to(mail: Received, subject: str) -> list[Named]:
    """Return whom the subject, else the returned message's To names, unless those are several or a mailing list."""
    innocent = _innocent(mail)
    found = [address for address in addresses_in_failing_subject(subject) if address.lower() not in innocent]
    if not found:
        found = [mailbox.address for mailbox in parse_address_list(mail.returned.raw("to")[:10_000])]
        post = mail.returned.value("list-post").lower()
        found = [address for address in found if address.lower() not in post]
        # Which one of several it was, nobody says.
        found = found if len(found) == 1 else []
    return [Named(address, family=_RETURNED) for text in found if (address := clean_address(text))]
