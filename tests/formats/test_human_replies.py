"""A thousand replies of made-up people and 120 newsletters: none is a report, and what people wrote is found."""

from collections import Counter
from pathlib import Path

import pytest
from copies import newsletters
from human_replies import HumanReply, human_replies

from postroom.mail.classify import classify
from postroom.mail.quoted_text import read_reply
from postroom.mail.received import Received
from postroom.mail.verdict import MailKind

_MACHINES = {
    MailKind.BOUNCE,
    MailKind.DELAY,
    MailKind.COMPLAINT,
    MailKind.AUTO_REPLY,
    MailKind.CHALLENGE,
    MailKind.RECEIPT,
}


@pytest.fixture(scope="module")
def replies(corpora: Path) -> list[HumanReply]:
    bounces = sorted((corpora / "bounces" / "maildir" / "bsd").glob("*.eml"))
    texts = [Received(path.read_bytes()).raw.decode("utf-8", "replace").replace("\r\n", "\n") for path in bounces]
    told = [Received(path.read_bytes()).body for path in bounces]
    return list(human_replies(1_000, seed=4, bounces=[text[:8_000] for text in texts + told if text.strip()]))


def test_no_reply_of_a_person_is_called_a_report(replies: list[HumanReply]) -> None:
    kinds = {reply.name: classify(reply.raw) for reply in replies}
    wrong = {name: (one.kind.value, one.rule, one.evidence) for name, one in kinds.items() if one.kind in _MACHINES}
    assert wrong == {}
    assert {one.kind for one in kinds.values()} <= {MailKind.REPLY, MailKind.OTHER}


def test_what_people_wrote_is_found(replies: list[HumanReply]) -> None:
    wrong = {}
    for reply in replies:
        found = read_reply(Received(reply.raw))
        if _words(found.written) != _words(reply.written) or _words(found.signature) != _words(reply.signature):
            wrong[reply.name] = (found.written, reply.written, found.signature)
    assert wrong == {}


def test_who_asks_for_no_more_mail_is_heard_in_all_programs() -> None:
    wishes = {
        "Please take me off your list.": MailKind.UNSUBSCRIBE,
        "unsubscribe": MailKind.UNSUBSCRIBE,
        "Bitte nehmen Sie mich aus Ihrem Verteiler!": MailKind.UNSUBSCRIBE,
        "Je ne souhaite plus recevoir vos mails": MailKind.UNSUBSCRIBE,
        "Отпишите меня от рассылки": MailKind.UNSUBSCRIBE,
        "配信停止をお願いします": MailKind.UNSUBSCRIBE,
        "This is spam! I never signed up for this.": MailKind.COMPLAINT,
        "Ich habe mich nie bei Ihnen angemeldet.": MailKind.COMPLAINT,
        "Esto es spam": MailKind.COMPLAINT,
    }
    wrong = {}
    for reply in human_replies(200, seed=5, wishes=list(wishes)):
        verdict = classify(reply.raw)
        wish = next(wish for wish in wishes if reply.written.startswith(wish))
        if verdict.kind is not wishes[wish] or verdict.is_doubtful or verdict.evidence.strip(".!") not in wish:
            wrong[reply.name] = (wish, verdict)
    assert wrong == {}


def test_no_newsletter_is_called_a_report_or_a_wish(corpora: Path) -> None:
    kinds = {name: classify(raw) for name, raw in newsletters(corpora)}
    assert len(kinds) == 120
    wrong = {name: one for name, one in kinds.items() if one.kind in _MACHINES | {MailKind.UNSUBSCRIBE}}
    assert wrong == {}
    assert Counter(one.kind for one in kinds.values())[MailKind.LIST] >= 30


def _words(text: str) -> list[str]:
    return text.replace("-- ", "").replace("--", "").split()
