"""What to do about a mailbox, for any order of what its server does: nothing missed, nothing repeated."""

from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from postroom.accounts import catch_up
from postroom.accounts.audit import audit_due_ms, missing
from postroom.accounts.catch_up import Begin, GoOn, Reset, batches, check_seconds, new_uids, plan, trust_after
from postroom.accounts.pace import away_seconds, refused_seconds, throttled_seconds
from postroom.accounts.watch import names_on_server, wanted_names
from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.ledger.account_rows import MailboxRow
from postroom.net.imap.answers import ListedMailbox


def cursor(uid_next: int = 10, uid_validity: int = 7) -> MailboxRow:
    return MailboxRow(1, 2, 3, "INBOX", uid_validity, 5, uid_next, 0, None, 0, 0, 0)


def test_a_mailbox_that_was_never_watched_begins_at_its_uidnext() -> None:
    assert plan(None, 7, 42) == Begin(42)
    assert plan(None, 7, None) == Begin(None)


def test_a_mailbox_goes_on_from_its_cursor_whatever_the_server_says_of_uidnext() -> None:
    assert plan(cursor(10), 7, 900) == GoOn(10)
    assert plan(cursor(10), 7, 3) == GoOn(10)
    assert plan(cursor(10), 7, None) == GoOn(10)


def test_other_uids_begin_anew() -> None:
    assert plan(cursor(10), 8, 3) == Reset(3)
    assert plan(cursor(10), 6, 3) == Reset(3)


def test_a_server_that_keeps_no_epochs_does_not_begin_anew() -> None:
    assert plan(cursor(10), 0, 3) == GoOn(10)


def test_the_highest_uid_below_the_cursor_is_not_new() -> None:
    # RFC 9051 9: `n:*` gives the highest one also where it is below n.
    assert new_uids([4], 5) == []
    assert new_uids([9, 5, 9, 4], 5) == [5, 9]


@dataclass
class Server:
    """A mailbox as a server has it."""

    mails: set[int] = field(default_factory=set)
    uid_next: int = 1
    ever: set[int] = field(default_factory=set)

    def append(self, gap: int) -> None:
        self.uid_next += gap
        self.mails.add(self.uid_next)
        self.ever.add(self.uid_next)
        self.uid_next += 1

    def search(self, first: int) -> list[int]:
        highest = max(self.mails, default=0)
        return [uid for uid in self.mails if uid >= first] or ([highest] if highest else [])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([0, 0, 0, 1, 5_000])),
        st.tuples(st.just("expunge"), st.integers(0, 30)),
        st.tuples(st.just("search"), st.just(0)),
        # A crash: what was searched and not yet recorded is forgotten, the cursor is that of the store.
        st.tuples(st.just("crash"), st.integers(0, 3)),
    ),
    max_size=60,
)


@given(STEPS)
@example([("append", 5_000), ("search", 0), ("append", 5_000), ("crash", 0)])
def test_every_mail_is_told_once_whatever_happens_between_searches(steps: list[tuple[str, int]]) -> None:
    server, first, told = Server(), 1, []
    at = first

    def catch_up_with(server: Server, most: int | None) -> None:
        nonlocal at
        found = new_uids(server.search(at), at)
        for done, batch in enumerate(batches([(uid, 100) for uid in found])):
            if most is not None and done >= most:
                return
            told.extend(batch)
            at = batch[-1] + 1

    for step, number in steps:
        if step == "append":
            server.append(number)
        elif step == "expunge":
            for uid in sorted(server.mails)[number : number + 1]:
                server.mails.discard(uid)
        else:
            catch_up_with(server, number if step == "crash" else None)
    catch_up_with(server, None)

    assert told == sorted(set(told)), "in the order of their UIDs, each once"
    assert server.mails <= set(told) <= server.ever


@given(st.lists(st.integers(1, 3_000_000), max_size=500))
def test_batches_are_bounded_and_keep_all_mails_in_order(sizes: list[int]) -> None:
    found = list(batches([(uid, size) for uid, size in enumerate(sizes, 1)]))

    assert [uid for batch in found for uid in batch] == list(range(1, len(sizes) + 1))
    for batch in found:
        assert 1 <= len(batch) <= catch_up.MOST_UIDS
        assert len(batch) == 1 or sum(sizes[uid - 1] for uid in batch) <= catch_up.MOST_BYTES


def test_ten_thousand_mails_come_in_bounded_batches() -> None:
    found = list(batches([(uid, 4_000) for uid in range(1, 10_001)]))

    assert len(found) == 500
    assert max(map(len, found)) == 20


def test_a_server_that_keeps_mail_to_itself_is_asked_more_often() -> None:
    trusted, distrusted = check_seconds(3, 0.5), check_seconds(0, 0.5)

    assert 600 <= check_seconds(3, 0.0) < check_seconds(3, 1.0) <= 900
    assert distrusted <= 75
    assert trust_after(3, unannounced=True) == 0
    assert [trust_after(at, unannounced=False) for at in range(4)] == [1, 2, 3, 3]
    assert distrusted < check_seconds(1, 0.5) < check_seconds(2, 0.5) < trusted


@given(st.sets(st.integers(1, 100)), st.sets(st.integers(1, 100)), st.integers(1, 50), st.integers(50, 100))
def test_an_audit_misses_what_the_server_has_and_the_ledger_has_not(
    on_server: set[int], known: set[int], first: int, uid_next: int
) -> None:
    lost = missing(on_server, known, first, uid_next)

    assert lost == sorted(uid for uid in on_server - known if first <= uid < uid_next)


def test_audits_are_spread_over_the_night() -> None:
    assert audit_due_ms(cursor(), 0.0) == DAY_MS - 2 * HOUR_MS
    assert audit_due_ms(cursor(), 1.0) == DAY_MS + 2 * HOUR_MS


def test_a_wrong_password_is_tried_at_most_12_times_in_the_first_hour() -> None:
    for chance in (0.0, 0.5, 1.0):
        at, tries = 0.0, 0
        while at < 3_600:
            tries += 1
            at += refused_seconds(tries, chance, revoked=False)
        assert tries <= 12
        assert refused_seconds(tries + 3, chance, revoked=False) >= 1_800


def test_a_withdrawn_authorization_is_tried_at_most_once_in_ten_minutes_then_less() -> None:
    pauses = [refused_seconds(tries, 0.0, revoked=True) for tries in range(1, 12)]

    assert min(pauses) >= 600
    assert pauses == sorted(pauses)
    assert pauses[-1] > 3_600


def test_a_server_that_asks_for_time_gets_it_within_a_tenth() -> None:
    assert 92.415 <= throttled_seconds(92_415, 0.0) <= throttled_seconds(92_415, 1.0) <= 92.415 * 1.1
    assert throttled_seconds(None, 0.0) == 60


def test_a_server_that_is_away_for_a_minute_is_found_again_within_ten_seconds() -> None:
    assert max(away_seconds(failures, 1.0) for failures in range(1, 11)) <= 10
    assert away_seconds(60, 1.0) == 300
    assert away_seconds(60, 0.0) == 0


def test_mailboxes_are_named_by_their_own_names_by_what_people_see_or_by_their_use() -> None:
    listed = [
        ListedMailbox("INBOX", "INBOX", frozenset(), "/", "\\Inbox"),
        ListedMailbox("Entw&APw-rfe", "Entwürfe", frozenset(), "/", "\\Drafts"),
        ListedMailbox("[Gmail]", "[Gmail]", frozenset({"\\noselect"}), "/", None),
        ListedMailbox("[Gmail]/Alle", "[Gmail]/Alle", frozenset(), "/", "\\All"),
    ]

    assert names_on_server(["\\all", "inbox", "Entwürfe"], listed) == ["INBOX", "[Gmail]/Alle", "Entw&APw-rfe"]
    assert names_on_server(["[Gmail]/Alle", "\\All"], listed) == ["[Gmail]/Alle"]
    assert names_on_server(["[Gmail]", "gone"], listed) == ["INBOX"]
    assert wanted_names("") == wanted_names("[]") == ["INBOX"]


def test_a_mailbox_looks_searched_only_where_neither_uidnext_nor_the_number_of_mails_has_changed() -> None:
    row = cursor(uid_next=10)
    assert catch_up.looks_searched(row, 3, 10, 3)
    for exists_before, uid_next, exists in ((3, 11, 3), (3, 10, 4), (3, None, 3), (3, 9, 3), (None, 10, 3)):
        assert not catch_up.looks_searched(row, exists_before, uid_next, exists)
