"""The search line of the activity page."""

from hypothesis import example, given
from hypothesis import strategies as st

from postroom.base.clock import DAY_MS
from postroom.base.ids import first_id_at, show_id
from postroom.doors.dashboard.search import KEYS, SUBJECT_DAYS, Term, parse_search, span_of

MESSAGE, RECIPIENT = show_id("msg", 77), show_id("rcp", 78)
NOW = 1_795_000_000_000


def terms_of(text: str) -> list[tuple[str, str]]:
    return [tuple(term) for term in parse_search(text).terms]  # type: ignore[misc]


def sentence_of(text: str) -> str:
    (problem,) = parse_search(text).problems
    return problem.sentence


def test_each_word_before_a_colon_is_a_term() -> None:
    text = (
        "to:Ada@example.net domain:example.net state:deferred tag:welcome provider:Google reason:mailbox-full "
        f"stream:bulk id:{MESSAGE} event:opened since:2d before:2026-11-20"
    )

    found = parse_search(text)

    assert not found.problems
    assert [term.key for term in found.terms] == [
        "to", "domain", "state", "tag", "provider", "reason", "stream", "id", "event", "since", "before",
    ]  # fmt: skip
    assert found.values("provider") == ("google",)
    assert found.values("to") == ("Ada@example.net",)


def test_what_stands_alone_is_a_word_an_address_or_an_id() -> None:
    assert terms_of(f"hello ada@example.net {RECIPIENT}") == [
        ("word", "hello"),
        ("to", "ada@example.net"),
        ("id", RECIPIENT),
    ]


def test_quotes_hold_white_space_and_what_would_mean_something_else() -> None:
    assert terms_of('"your order" tag:"two words" "ada@example.net" "state:sent" Re:') == [
        ("word", "your order"),
        ("tag", "two words"),
        ("word", "ada@example.net"),
        ("word", "state:sent"),
        ("word", "Re:"),
    ]


def test_a_wrong_word_is_explained_with_the_words_that_exist() -> None:
    assert "there are to:, domain:, state:" in sentence_of("status:deferred")
    assert "queued, held, sending, deferred" in sentence_of("state:bounced")
    assert "transactional, bulk" in sentence_of("stream:news")
    assert "delivered, failed" in sentence_of("event:sent")
    assert "write domain:example.net" in sentence_of("to:example.net")
    assert "human, machine, unknown" in sentence_of("label:robot")
    assert "since:2d" in sentence_of("since:yesterday")
    assert "msg_" in sentence_of("id:17")
    assert "needs a value" in sentence_of("tag:")


def test_a_wrong_word_does_not_hide_the_right_ones() -> None:
    found = parse_search("status:x state:failed")

    assert found.terms == (Term("state", "failed"),)


def test_the_last_time_counts() -> None:
    assert terms_of("since:2d since:7d") == [("since", "7d")]


def test_a_time_becomes_a_span_of_ids() -> None:
    span = span_of(parse_search("since:2d before:2026-11-20"), NOW)

    assert span.least_id == first_id_at(NOW - 2 * DAY_MS)
    assert span.before_id == first_id_at(1_795_132_800_000)


def test_words_of_the_subject_reach_back_so_far_and_no_farther() -> None:
    assert span_of(parse_search("hello"), NOW).least_id == first_id_at(NOW - SUBJECT_DAYS * DAY_MS)
    assert span_of(parse_search("hello since:60d"), NOW).least_id == first_id_at(NOW - 60 * DAY_MS)
    assert span_of(parse_search("state:failed"), NOW).least_id is None


def test_a_chip_is_taken_off() -> None:
    found = parse_search("state:failed tag:blue")

    assert str(found.without(Term("state", "failed"))) == "tag:blue"


_PIECES = st.one_of(
    st.text(),
    st.builds(
        lambda key, value: f"{key}:{value}",
        st.sampled_from((*KEYS, "STATE", "foo")),
        st.one_of(st.text(), st.sampled_from(["failed", "2d", "opened", "bulk", '"a b"', "ada@example.net", MESSAGE])),
    ),
)


@given(st.lists(_PIECES).map(" ".join))
@example('"')
@example('\\" a"b :')
@example("to:\x00@\ud800")
@example("since:9999-12-31 before:0001-01-01T00:00+23:59")
def test_no_text_breaks_the_search_and_its_print_is_read_the_same(text: str) -> None:
    found = parse_search(text)

    assert parse_search(str(found)).terms == found.terms
    assert not parse_search(str(found)).problems
    span = span_of(found, NOW)
    for bound in (span.least_id, span.before_id):
        assert bound is None or 0 <= bound < 1 << 63
