"""JSON and query strings into structs: any value ends in a model or in named errors."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.doors.http.fields import Errors, parse_json, read_object, read_query
from postroom.doors.http.message_fields import Context, message_submission, raw_submission
from postroom.doors.http.message_models import MessageIn, RawMessageIn
from postroom.doors.http.problems import Problem
from postroom.doors.http.recipients import RecipientsQuery
from postroom.doors.http.stats import StatsQuery
from postroom.doors.http.webhook_models import RotateIn
from postroom.ledger.rows import WorkspaceRow

CONTEXT = Context(WorkspaceRow(1, "one", 0), 1_767_225_600_000)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS | st.sampled_from(["a@example.com", "Ada <a@example.com>", "bulk", "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = [field.encode_name for field in msgspec.structs.fields(MessageIn)]
MESSAGES = st.dictionaries(st.sampled_from([*NAMES, "raw", "nothing"]), VALUES, max_size=8)


def problem_of(read: Callable[[], object]) -> Problem | None:
    """Return the problem that `read` ends in, or None; every other exception goes through."""
    try:
        read()
    except Problem as problem:
        return problem
    return None


@settings(max_examples=300)
@given(MESSAGES, st.booleans())
def test_any_json_object_becomes_a_submission_or_named_errors(value: dict[str, Any], valid: bool) -> None:
    if valid:
        value = {**value, "from": "a@example.com", "to": "b@example.com", "text": "x"}
    for reader in (message_submission, raw_submission):
        problem = problem_of(lambda reader=reader: reader(copy.deepcopy(value), CONTEXT))
        if problem is not None:
            assert problem.details.status == 422
            assert problem.details.errors
            assert all(error.field and error.message for error in problem.details.errors)


@settings(max_examples=200)
@given(st.binary(max_size=60) | MESSAGES.map(msgspec.json.encode))
def test_any_bytes_are_json_or_refused_as_none(raw: bytes) -> None:
    problem = problem_of(lambda: parse_json(raw))
    assert problem is None or problem.details.status == 400


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.sampled_from([b"limit=1&limit=2", b"state=held&limit=%31", b"tag=%00", b"tag=%ff"]))
def test_any_query_becomes_a_model_or_a_problem(query: bytes) -> None:
    problem = problem_of(lambda: read_query(query, RecipientsQuery))
    assert problem is None or problem.details.status in (400, 422)


def test_a_field_that_is_wrong_is_known_as_wrong_with_its_parts() -> None:
    errors = Errors()
    read_object({"from": "a@b.com", "to": [1], "track": {"opens": 1}}, MessageIn, errors)
    assert all(name in errors for name in ("to[0]", "to", "track", "track.opens"))
    assert "from" not in errors
    assert "t" not in errors


@pytest.mark.parametrize(("text", "told"), [("transaktional", "transactional"), ("zzz", "bulk")])
def test_a_word_that_is_none_is_told_which_there_are(text: str, told: str) -> None:
    errors = Errors()
    read_object({"from": "a@b.com", "stream": text}, MessageIn, errors)
    (error,) = errors.items
    assert told in error.message


@pytest.mark.parametrize("size", [0, 1, 2, 3, 196_607, 196_608, 196_609, 400_000])
def test_base64_is_read_exactly_also_in_pieces(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    body = {"from": "a@b.com", "to": ["b@b.com"], "raw": base64.b64encode(data[:size]).decode()}
    errors = Errors()
    assert read_object(body, RawMessageIn, errors).raw.content == data[:size]
    assert not errors.items


@pytest.mark.parametrize(
    "text", ["a", "YQ=", "YQ", "YQ==YQ==", "Y Q==", "YQ==\n", "%%%%", "\u00e4\u00e4", f"{'A' * 262_140}YQ==YQ=="]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    errors = Errors()
    read_object({"from": "a@b.com", "to": ["b@b.com"], "raw": text}, RawMessageIn, errors)
    assert [(error.field, error.code) for error in errors.items] == [("raw", "base64")]


@pytest.mark.parametrize(("text", "read"), [("7", 7), ("7.0", 7), ("7.5", None), ("true", None), ("1e300", None)])
def test_a_whole_number_may_be_written_with_a_point(text: str, read: int | None) -> None:
    errors = Errors()

    given = read_object(parse_json(f'{{"overlap_hours": {text}}}'.encode()), RotateIn, errors)

    assert (not errors.items) == (read is not None)
    assert read is None or given.overlap_hours == read


def test_a_wrong_id_is_told_how_ids_look() -> None:
    problem = problem_of(lambda: read_query(b"cursor=x", RecipientsQuery))

    assert problem is not None
    [error] = problem.details.errors
    assert (error.field, error.message) == ("cursor", "must be an id of the form rcp_…, as an answer gives it")


def test_times_of_a_query_that_are_none_are_named_with_all_else_that_is_wrong() -> None:
    problem = problem_of(lambda: read_query(b"from=now&to=2026-01-01&by=x", StatsQuery))

    assert problem is not None
    told = {error.field: error.code for error in problem.details.errors}
    assert told == {"by": "unknown_value", "from": "invalid_time", "to": "invalid_time"}
