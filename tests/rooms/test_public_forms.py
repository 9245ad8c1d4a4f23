"""Forms that are posted to the unsubscribe address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.doors.http.public_forms import form_fields

MULTIPART = (
    b'--simple boundary\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
    b"--simple boundary--\r\n"
)


def test_a_urlencoded_one_click_is_read() -> None:
    fields = form_fields(b"application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")
    assert fields == {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("boundary", [b'boundary="simple boundary"', b"Boundary=simple boundary"])
def test_a_multipart_one_click_is_read(boundary: bytes) -> None:
    assert form_fields(b"multipart/form-data; " + boundary, MULTIPART) == {"List-Unsubscribe": "One-Click"}


def test_of_a_name_that_stands_twice_the_first_counts() -> None:
    assert form_fields(b"", b"action=undo&action=unsubscribe") == {"action": "undo"}


@given(st.binary(max_size=200), st.binary(max_size=2_000))
def test_any_bytes_are_read_without_a_crash(content_type: bytes, body: bytes) -> None:
    form_fields(content_type, body)
    form_fields(b"multipart/form-data; boundary=" + content_type, body)
