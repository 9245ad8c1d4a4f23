"""The header fields of a copy."""

import pytest
from copies import KEYS, MESSAGE, RECIPIENTS, compiled, copy_of, mail

from postroom.base.tokens import TokenKind
from postroom.outbound.compile import CompileOptions, compile_content
from postroom.outbound.render import RecipientValues
from postroom.outbound.submission import Track
from postroom.outbound.unsubscribe import feedback_id

PRIVATE = (
    b"Bcc: secret@example.com,\r\n other@example.com\r\nBCC : x\r\nReturn-Path: <a@b>\r\n"
    b"X-Postroom-Tag: t\r\nx-postroom-metadata: {\r\n }\r\nResent-Bcc: y\r\n"
)


def test_bcc_and_our_control_fields_are_in_no_copy() -> None:
    raw = PRIVATE + mail(b"x\r\n") + b"Bcc: this is the body\r\n"
    header = b"".join(copy_of(compiled(raw)[0]).header)
    assert header == (
        MESSAGE.added_fields[0]
        + b"X-Postroom-Id: "
        + KEYS.local_part_text(TokenKind.FEEDBACK, 7, RECIPIENTS[0].recipient_id).encode()
        + b"\r\nFrom: a@example.com\r\nTo: b@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    )


@pytest.mark.parametrize("junk", [b"no field\r\n", b"From someone Mon Jan 1\r\n", b"=?x\r\n", b": empty\r\n"])
def test_bcc_behind_a_broken_header_line_is_in_no_copy(junk: bytes) -> None:
    raw = b"From: a@example.com\r\n" + junk + b"Bcc: secret@example.com\r\nTo: b@example.net\r\n\r\nbody\r\n"
    copy = copy_of(compiled(raw)[0]).to_bytes()
    assert b"secret" not in copy
    assert junk.strip() in copy
    assert copy.endswith(b"\r\n\r\nbody\r\n")


def test_an_mbox_line_in_front_is_no_part_of_the_mail() -> None:
    copy = copy_of(compiled(b"From a@b Mon Jan  1 00:00:00 2026\r\n" + mail(b"x\r\n"))[0])
    assert copy.header[2:] == copy_of(compiled(mail(b"x\r\n"))[0]).header[2:]


def test_bulk_copies_have_list_and_feedback_fields_of_their_own() -> None:
    own = b"List-Unsubscribe: <mailto:x@example.com>,\r\n <http://example.com/u>\r\n"
    own += b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    raw = own + b"Feedback-ID: a:b:c:d\r\nCFBL-Address: x@example.com\r\n" + mail(b"x\r\n")
    content, findings = compiled(raw, is_bulk=True)
    assert b"".join(findings.unsubscribe_fields) == own
    for recipient in RECIPIENTS:
        page = KEYS.url_text(TokenKind.UNSUBSCRIBE, 7, recipient.recipient_id).encode()
        letter = KEYS.local_part_text(TokenKind.UNSUBSCRIBE_MAIL, 7, recipient.recipient_id).encode()
        feedback = KEYS.local_part_text(TokenKind.FEEDBACK, 7, recipient.recipient_id).encode()
        assert copy_of(content, recipient).header[1:] == [
            b"X-Postroom-Id: " + feedback + b"\r\n",
            b"List-Unsubscribe: <https://go.example.com/u/"
            + page
            + b">,\r\n <mailto:u-"
            + letter
            + b"@rp.example.com>\r\n",
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            b"Feedback-ID: tag:bulk:w:d\r\n",
            b"CFBL-Address: f-" + feedback + b"@rp.example.com; report=arf\r\n",
            b"CFBL-Feedback-ID: " + feedback + b"\r\n",
            *copy_of(compiled(mail(b"x\r\n"))[0]).header[2:],
        ]


def test_transactional_copies_keep_the_authors_list_fields() -> None:
    own = b"List-Unsubscribe: <mailto:x@example.com>\r\n"
    content, findings = compiled(own + mail(b"x\r\n"))
    assert own in copy_of(content).header
    assert findings.unsubscribe_fields == ()


def test_one_click_is_offered_only_over_https() -> None:
    content, _ = compile_content(mail(b"x\r\n"), CompileOptions("http://127.0.0.1:8025", Track.NOTHING, is_bulk=True))
    header = b"".join(copy_of(content).header)
    assert b"List-Unsubscribe: <http://127.0.0.1:8025/u/" in header
    assert b"List-Unsubscribe-Post" not in header


def test_feedback_id_names_words_and_never_breaks_out() -> None:
    assert feedback_id("bulk", "example.com", "w 1", "a:b\r\nX: y") == "a-b-X-y:bulk:w-1:example.com"


def test_replies_come_to_the_recipients_own_address() -> None:
    raw = b"Reply-To: Author\r\n <author@example.com>\r\n" + mail(b"x\r\n")
    content, findings = compiled(raw, Track.REPLIES)
    assert findings.reply_to_fields == (b"Reply-To: Author\r\n <author@example.com>\r\n",)
    for recipient in RECIPIENTS:
        token = KEYS.local_part_text(TokenKind.REPLY, 7, recipient.recipient_id)
        replies = [field for field in copy_of(content, recipient).header if field.lower().startswith(b"reply-to")]
        assert replies == [f"Reply-To: r-{token}@rp.example.com\r\n".encode()]


def test_personal_copies_have_their_own_to_and_message_id_in_the_authors_place() -> None:
    raw = mail(b"x\r\n", b"Message-ID: <x@example.com>", b"X-Last: y")
    content, _ = compiled(raw, is_personal=True)
    recipient = RecipientValues(5, b"To: Zoe <z@example.net>\r\n", b"Message-ID: <5@example.com>\r\n")
    fields = copy_of(content, recipient).header[2:]
    assert fields == [
        b"From: a@example.com\r\n",
        b"To: Zoe <z@example.net>\r\n",
        b"Subject: s\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Message-ID: <5@example.com>\r\n",
        b"X-Last: y\r\n",
    ]
    bare, _ = compiled(b"From: a@example.com\r\n\r\nx\r\n", is_personal=True)
    assert copy_of(bare, recipient).header[2:] == [b"From: a@example.com\r\n", recipient.to, recipient.message_id]


def test_what_is_absent_is_told() -> None:
    content, _ = compiled(mail(b"x\r\n"))
    assert (content.has_date, content.has_message_id) == (False, False)
    content, _ = compiled(b"DATE: x\r\nMessage-Id: <y>\r\n" + mail(b"x\r\n"))
    assert (content.has_date, content.has_message_id) == (True, True)
