"""Real mails handed in by both doors, and an independent reading of what arrives: what the corpus journeys share.

The reading knows nothing of how copies are made: it takes the author's mail and
a copy off the wire, follows the copy's links over HTTP, and says what differs.
"""

import asyncio
import base64
import binascii
import email
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import dkim
from copies import decoded, href_meaning, hrefs, leaves, newsletters, templates
from peers import opendkim
from peers.smtp_sink import Mail
from running_server import RunningServer, submit

SHOWN = (b"from", b"to", b"cc", b"date", b"subject", b"message-id")
"""What all copies of a message show alike."""
_PRIVATE = {b"bcc", b"return-path"}
_ADDED = {b"dkim-signature", b"received", b"x-postroom-id"}
_BULK = {b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id", b"cfbl-address", b"cfbl-feedback-id"}
_BY_POSTFIX = {b"content-length"}  # message_drop_headers
_ENCODING = {b"content-transfer-encoding", b"mime-version", b"content-type"}
_CODECS = {"gb2312": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8", "unknown": "utf-8"}
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(slots=True)
class Given:
    """One mail as it was handed in."""

    name: str
    raw: bytes
    """What the author wrote; empty for a mail that the API composed."""
    html: bytes
    """The HTML of a composed mail."""
    recipients: tuple[str, ...]
    """To, To, Cc, Cc, Bcc."""
    stream: str
    message_id: str = ""
    copies: dict[str, Mail] = field(default_factory=dict)
    """What arrived, by recipient."""
    texts: dict[str, list[bytes]] = field(default_factory=dict)
    """The leaves of each copy without their transfer encoding."""


def hand_in_everything(server: RunningServer, corpora: Path, doors: str = "smtp,api") -> list[Given]:
    """Hand in every newsletter by SMTP and by API, every template as a mail by SMTP and composed by the API."""
    hands = {"smtp": _by_smtp, "api": _by_api}
    return [given for door in doors.split(",") for given in hands[door](server, corpora)]


def author_domains(corpora: Path) -> set[str]:
    """Return the From domains of the corpus, and the one of the composed mails."""
    found = {"example.com"}
    for _, raw in newsletters(corpora):
        found |= {one.lower().decode() for one in re.findall(rb"@([\w.-]+)", b"".join(fields_of(raw, b"from")))}
    return found


def collect(givens: Sequence[Given], mails: Sequence[Mail]) -> None:
    """Give each mail its copies. Each transaction has one recipient, and nobody gets two."""
    by_recipient = {address: given for given in givens for address in given.recipients}
    for mail in mails:
        assert len(mail.recipients) == 1, mail.recipients
        given = by_recipient[mail.recipients[0]]
        assert mail.recipients[0] not in given.copies, mail.recipients
        given.copies[mail.recipients[0]] = mail
        given.texts[mail.recipients[0]] = [decoded(part) for part in leaves(mail.data)]
    assert all(len(given.copies) == 5 for given in givens)


def fields_of(raw: bytes, *names: bytes) -> list[bytes]:
    """Return the raw header fields of these names, or all, without the CRLF at their end."""
    header = raw.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"(?:^|\r\n)([!-9;-~]+[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", header)
    return [one for one in found if not names or name_of(one) in names]


def name_of(one: bytes) -> bytes:
    """Return a raw field's name in lower case."""
    return one.partition(b":")[0].strip().lower()


# What is handed in


def _recipients(label: str) -> tuple[str, ...]:
    """Return To, To, Cc, Cc, Bcc; over four domains, so that some share a destination."""
    places = ("north", "south", "east", "west", "north")
    roles = ("to-1", "to-2", "cc-1", "cc-2", "bcc-1")
    return tuple(f"{role}.{label}@{place}.dest.test" for role, place in zip(roles, places, strict=True))


def _addressed(raw: bytes, recipients: tuple[str, ...]) -> bytes:
    """Return a mail that shows To and Cc, and still holds a Bcc, as careless programs leave it."""
    one, two, three, four, five = (address.encode() for address in recipients)
    header, _, body = raw.partition(b"\r\n\r\n")
    for old in fields_of(raw, b"to", b"cc", b"bcc"):
        header = header.replace(b"\r\n" + old, b"", 1)
    shown = b"To: %b,\r\n\t%b\r\nCc: Three <%b>, %b\r\nBcc: %b" % (one, two, three, four, five)
    return header + b"\r\n" + shown + b"\r\n\r\n" + body


def _template_mails(corpora: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each template as a mail of a program, in one of three transfer encodings by turns."""
    for number, (name, html) in enumerate(templates(corpora)):
        soft = binascii.b2a_qp(html, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        encoding, body = (
            (b"8bit", html),
            (b"quoted-printable", soft),
            (b"base64", base64.encodebytes(html).replace(b"\n", b"\r\n")),
        )[number % 3]
        yield name, b"\r\n".join((
            b"From: =?utf-8?q?Caf=C3=A9?= <shop@example.com>",
            b"Subject: " + name.encode(),
            b"Date: Mon, 01 Jun 2026 10:00:00 +0000",
            b"Message-ID: <" + str(number).encode() + b".template@example.com>",
            b"MIME-Version: 1.0",
            b"Content-Type: text/html; charset=utf-8",
            b"Content-Transfer-Encoding: " + encoding,
            b"",
            body,
        ))  # fmt: skip


def _by_smtp(server: RunningServer, corpora: Path) -> Iterator[Given]:
    client = server.smtp()
    for number, (name, raw) in enumerate([*newsletters(corpora), *_template_mails(corpora)]):
        recipients = _recipients(f"s{number}")
        raw = _addressed(raw, recipients)
        message_id = submit(client, "author@example.com", recipients, raw)
        yield Given(f"{name} by SMTP", raw, b"", recipients, "transactional", message_id)
    client.quit()


def _by_api(server: RunningServer, corpora: Path) -> Iterator[Given]:
    more = {"stream": "bulk", "tags": ["newsletter"], "track": {"text_clicks": True}}
    for number, (name, raw) in enumerate(newsletters(corpora)):
        recipients = _recipients(f"r{number}")
        raw = b"Bcc: " + recipients[-1].encode() + b"\r\n" + raw
        sent = {"from": "author@example.com", "to": recipients, "raw": base64.b64encode(raw).decode(), **more}
        answer = server.api.post("/messages/raw", sent)
        yield Given(f"{name} by API", raw, b"", recipients, "bulk", answer["id"])
    for number, (name, html) in enumerate(templates(corpora)):
        recipients = _recipients(f"t{number}")
        one, two, three, four, five = recipients
        text = html.decode("utf-8")
        people = {"to": [f"Ann <{one}>", two], "cc": [three, {"address": four, "name": "Käthe"}], "bcc": [five]}
        sent = {"from": "Shop <shop@example.com>", **people, "subject": f"Größe {number}", "html": text, "tags": ["x"]}
        answer = server.api.post("/messages", sent)
        yield Given(f"{name} composed", b"", text.encode(), recipients, "transactional", answer["id"])


# What arrived


def assert_headers(given: Given) -> None:
    """Assert that all copies show the author's fields and nothing private, each with a reverse-path of its own."""
    shown = {tuple(sorted(fields_of(mail.data, *SHOWN))) for mail in given.copies.values()}
    assert len(shown) == 1, given.name
    dropped = _PRIVATE | _ADDED | _BY_POSTFIX | _ENCODING | (_BULK if given.stream == "bulk" else set())
    for mail in given.copies.values():
        ours = fields_of(mail.data)
        assert not [one for one in ours if name_of(one) == b"bcc"], given.name
        assert given.recipients[-1].encode() not in mail.data or given.recipients[-1] in mail.recipients, given.name
        if given.raw:
            written = [one for one in fields_of(given.raw) if name_of(one) not in dropped]
            names = {name_of(one) for one in written}
            kept = [one for one in ours if name_of(one) not in dropped]
            assert [one for one in kept if name_of(one) in names] == written, given.name
            assert {name_of(one) for one in kept} - names <= {b"date", b"message-id"}, given.name
            received = fields_of(given.raw, b"received")
            assert fields_of(mail.data, b"received")[-len(received) or len(ours) :] == received, given.name
    reverse_paths = {mail.reverse_path for mail in given.copies.values()}
    assert len(reverse_paths) == 5, given.name
    assert all(re.fullmatch(r"b-[a-z2-7]{32}@rp\.mail\.postroom\.test", one) for one in reverse_paths), given.name


def assert_bulk_fields(given: Given) -> None:
    """Assert that copies of bulk mail carry ways out of their own, and no other copies do."""
    seen = set()
    for mail in given.copies.values():
        ours = [one for one in fields_of(mail.data, *_BULK) if one not in fields_of(given.raw, *_BULK)]
        if given.stream != "bulk":
            assert not ours, given.name
            continue
        assert {name_of(one) for one in ours} == _BULK - {b"list-unsubscribe-post"}, given.name
        seen.add(fields_of(mail.data, b"list-unsubscribe")[0])
    assert len(seen) == (5 if given.stream == "bulk" else 0), given.name


def assert_signed(givens: Sequence[Given], records: Mapping[str, str]) -> None:
    """Assert that every copy passes dkimpy (RSA and Ed25519) and OpenDKIM (RSA). `records`: TXT by name."""
    copies = [(given.name, mail.data) for given in givens for mail in given.copies.values()]

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        text = records.get(name.decode().rstrip("."))
        return text.encode() if text else None

    for name, raw in copies:
        verifier = dkim.DKIM(raw)
        for index, algorithm in enumerate((b"rsa-sha256", b"ed25519-sha256")):
            assert verifier.verify(idx=index, dnsfunc=look_up), (name, algorithm)
            assert verifier.signature_fields[b"a"] == algorithm, name
            assert verifier.domain in b"".join(fields_of(raw, b"from")).lower(), name
    verdicts = opendkim.verify_all([raw for _, raw in copies], records)
    for (name, _), verdict in zip(copies, verdicts, strict=True):
        results = {one.algorithm: one.result for one in verdict}
        assert results.get("rsa-sha256") == "pass", (name, verdict)


class Reader:
    """Reads copies with their links followed."""

    def __init__(self, base_url: str, locations: Mapping[str, str]) -> None:
        """`locations`: where each click token leads, from `follow`."""
        self._locations = locations
        url = re.escape(base_url.encode())
        self._link = re.compile(url + rb"/c/([A-Za-z0-9_-]{27,28})(?![A-Za-z0-9_-])")
        self._pixel = re.compile(
            rb'<img src="' + url + rb'/o/([A-Za-z0-9_-]{27})\.png" width="1" height="1" alt="" border="0">'
        )

    def tokens(self, texts: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """Return the click tokens and the pixel tokens of a copy's texts in their order."""
        clicks = [one.decode() for text in texts for one in self._link.findall(text)]
        return clicks, [one.decode() for text in texts for one in self._pixel.findall(text)]

    def assert_unchanged(self, given: Given) -> None:
        """Assert that outside of links and pixel each part decodes to what the author wrote, and all links are ours."""
        before = leaves(given.raw or next(iter(given.copies.values())).data)
        for number, part in enumerate(before):
            written = decoded(part) if given.raw else given.html
            codec = codec_of(part)
            is_html = part.get_content_type() == "text/html" and part.get_content_disposition() != "attachment"
            targets = hrefs(written.decode(codec, "replace")) if is_html else set()
            expected = {_as_location(target) for target in targets}
            for after in given.texts.values():
                assert len(after) == len(before), given.name
                self._assert_text_unchanged(written, after[number], codec, given.name)
                found = {self._locations[token.decode()] for token in self._link.findall(after[number])}
                assert expected <= found, given.name

    def _assert_text_unchanged(self, original: bytes, changed: bytes, codec: str, name: str) -> None:
        # Where the author's last line has no end, the copy's has one.
        original, changed = original.rstrip(b"\r\n"), self._pixel.sub(b"", changed).rstrip(b"\r\n")
        position = behind = 0
        matches = list(self._link.finditer(changed))
        for number, match in enumerate(matches):
            constant = changed[behind : match.start()]
            assert original.startswith(constant, position), (name, constant[-60:], original[position : position + 60])
            position += len(constant)
            behind = match.end()
            end = matches[number + 1].start() if number + 1 < len(matches) else len(changed)
            following = changed[behind:end]
            position = self._end_of_value(original, position, following, match[1].decode(), codec, name)
        assert original[position:] == changed[behind:], name

    def _end_of_value(self, original: bytes, start: int, following: bytes, token: str, codec: str, name: str) -> int:
        location = self._locations[token]
        end = original.find(following, start)
        while end >= 0:
            if location in _locations_of(original[start:end].decode(codec, "replace")):
                return end
            end = original.find(following, end + 1)
        raise AssertionError(f"{name}: no value of {location!r} at {original[start : start + 80]!r}")


def codec_of(part: "email.message.Message") -> str:
    """Return the codec that a mail program reads a part with."""
    charset = str(part.get_content_charset("utf-8"))  # type: ignore[no-untyped-call]
    return _CODECS.get(charset, charset)


@functools.lru_cache(maxsize=100_000)  # the five copies of a mail lead to the same places
def _locations_of(value: str) -> tuple[str, str]:
    """Return where an attribute of this value leads: read as plain text, and as HTML."""
    return _as_location(value), _as_location(href_meaning(value) or "")


def _as_location(target: str) -> str:
    """Return a target as a header field may carry it: what is printable ASCII stays (RFC 3986 2.1)."""
    return quote(target, safe=_PRINTABLE)


# Following


async def follow(
    port: int, paths: Sequence[str], *, connections: int = 4, pipelined: int = 50
) -> list[tuple[str, str]]:
    """Fetch paths over a few connections; return status and Location of each, in their order."""
    answers: list[tuple[str, str]] = [("", "")] * len(paths)

    async def work(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        mine = range(first, len(paths), connections)
        for start in range(0, len(mine), pipelined):
            batch = mine[start : start + pipelined]
            head = f"Host: 127.0.0.1:{port}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n\r\n"
            writer.write("".join(f"GET {paths[number]} HTTP/1.1\r\n{head}" for number in batch).encode())
            for number in batch:
                raw = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
                length = re.search(r"(?i)\r\ncontent-length: (\d+)", raw)
                await reader.readexactly(int(length[1]) if length else 0)
                location = re.search(r"(?i)\r\nlocation: ([^\r\n]*)", raw)
                answers[number] = (raw.split()[1], location[1] if location else "")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*map(work, range(connections)))
    return answers
