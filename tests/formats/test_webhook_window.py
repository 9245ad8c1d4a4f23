"""Which events of an endpoint go into the next request, and which wait."""

from postroom.store.webhook_outbox import Waiting
from postroom.webhooks.window import OF_RECIPIENT, Window


def waiting(event_id: int, recipient_id: int = 0, tries: int = 0) -> Waiting:
    return Waiting(event_id, recipient_id, 0, tries, None)


def window_of(*rows: Waiting) -> Window:
    window = Window()
    window.add(rows, window.known())
    return window


def ids(rows: list[Waiting]) -> list[int]:
    return [row.event_id for row in rows]


def test_the_next_of_a_recipient_waits_until_the_first_are_told() -> None:
    window = window_of(waiting(1, 7), waiting(2, 8), waiting(3, 7))

    first, second = window.take(1), window.take(1)
    assert (ids(first), ids(second), window.take(1)) == ([1], [2], [])
    window.done(first, settled=True)

    assert ids(window.take(1)) == [3]


def test_what_fails_leaves_with_all_that_would_overtake_it() -> None:
    window = window_of(waiting(1, 7), waiting(2, 7), waiting(3, 8))

    window.done(window.take(1), settled=False)

    assert ids(window.take(9)) == [3]
    assert (len(window), window.has_failed) == (1, True)


def test_what_was_read_while_its_recipient_failed_is_not_added() -> None:
    window = window_of(waiting(1, 7))
    taken, known = window.take(1), window.known()

    window.done(taken, settled=False)

    assert window.add([waiting(2, 7), waiting(3, 8)], known) == 1
    assert ids(window.take(9)) == [3]


def test_what_was_told_while_the_store_read_does_not_come_back() -> None:
    window = window_of(waiting(1, 7))
    taken, known = window.take(1), window.known()

    window.done(taken, settled=True)

    assert window.add([waiting(1, 7), waiting(2, 7)], known) == 1
    assert ids(window.take(9)) == [2]


def test_a_batch_that_failed_is_told_in_smaller_ones_and_not_with_others() -> None:
    window = window_of(*(waiting(number, tries=1) for number in range(1, 9)), waiting(9))

    assert [len(window.take(16)) for _ in range(3)] == [4, 4, 1]


def test_one_recipient_leaves_room_for_others() -> None:
    window = window_of(*(waiting(number, 7) for number in range(1, OF_RECIPIENT + 11)))

    assert (len(window), window.more, window.full_recipients()) == (OF_RECIPIENT, True, [7])
    assert ids(window.take(500)) == list(range(1, OF_RECIPIENT + 1))
