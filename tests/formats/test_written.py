"""What somebody wrote is read from any bytes, and can be told as JSON."""

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.inbound.written import MOST_CHARACTERS, read_written

MIXED = (
    b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
    b"--x\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n\r\n-- \r\nAnn\r\n"
    b"--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\nQUJD\r\n--x--\r\n'
)


def test_the_text_is_told_without_its_signature_and_files_are_listed() -> None:
    told = read_written(MIXED).told

    assert told == {
        "written": "See below.",
        "attachments": [{"number": 2, "name": "a.pdf", "media_type": "application/pdf", "size_bytes": 3}],
    }


def test_a_long_text_is_cut_and_says_so() -> None:
    told = read_written(b"Subject: x\r\n\r\n" + b"word " * MOST_CHARACTERS).told

    assert (len(str(told["written"])), told["is_cut"]) == (MOST_CHARACTERS, True)


@settings(max_examples=100)
@given(st.binary(max_size=300))
@example(b"Content-Type: text/plain; charset=utf-16\r\n\r\n\xd8\x00")
@example(b"Content-Type: \xff\xfe/\x00; name*=x''%ff\r\n\r\n\x00")
def test_any_bytes_are_read(raw: bytes) -> None:
    msgspec.json.encode(read_written(raw).told)
