"""The verdict of a stress run sees every fault, and none where there is none."""

from dataclasses import replace

import pytest

from postroom.app.stress.mails import Generated
from postroom.app.stress.verdict import NEW_MAIL, Told, Verdict, judge, latencies_ms, waited_for
from postroom.net.imap.mailstore import MailStore, StoredAccount

AT_MS = 1_700_000_000_000


class World:
    """An account whose mailbox is watched from its first UID, mails that came, and what was told of them."""

    def __init__(self) -> None:
        self.store = MailStore()
        self.account: StoredAccount = self.store.add("u")
        self.account.inbox.was_opened(1_000, 1)
        self.generated: list[Generated] = []
        self.told: list[Told] = []

    def put(self, *, is_large: bool = False) -> Generated:
        number = len(self.generated) + 1
        stored = self.account.inbox.append(b"%d" % number, internal_ms=AT_MS)
        self.generated.append(Generated("u", f"<{number}@x>", f"digest {number}", is_large, float(number), stored))
        return self.generated[-1]

    def tell(self, mail: Generated, number: int) -> Told:
        digest, message_id = ("", mail.message_id) if mail.is_large else (mail.digest, "")
        at = mail.at + 0.25
        self.told.append(Told(NEW_MAIL, "u", number, f"evt_{number}", digest, message_id, at, mail.is_large))
        return self.told[-1]

    def verdict(self) -> Verdict:
        return judge(self.generated, self.told, self.store.accounts)


@pytest.fixture
def world() -> World:
    return World()


def faults(verdict: Verdict) -> set[str]:
    return {name for name in Verdict.FAULTS if getattr(verdict, name)}


def test_it_holds_where_every_mail_was_told_once_and_repeats_are_the_same(world: World) -> None:
    for number, is_large in enumerate((False, True, False), 1):
        world.tell(world.put(is_large=is_large), number)
    world.told.append(world.told[1])
    verdict = world.verdict()
    assert verdict.holds
    assert (verdict.generated, verdict.told, verdict.repeats, verdict.apart) == (3, 3, 1, 0)
    assert latencies_ms(world.generated, world.told) == [250, 250, 250]


def test_a_mail_that_was_not_told_is_missing(world: World) -> None:
    world.tell(world.put(), 1)
    lost = world.put()
    assert waited_for(world.generated, world.told, world.store.accounts) == [lost]
    assert faults(world.verdict()) == {"missing"}


def test_a_mail_that_nobody_put_there_is_unknown(world: World) -> None:
    told = world.tell(world.put(), 1)
    world.told.append(replace(told, number=2, event_id="evt_2", digest="other"))
    assert faults(world.verdict()) == {"unknown"}


def test_a_mail_under_two_events_is_doubled(world: World) -> None:
    mail = world.put()
    world.tell(mail, 1)
    world.tell(mail, 2)
    assert faults(world.verdict()) == {"doubled"}


def test_a_number_that_is_left_out_is_a_gap_and_one_that_comes_later_is_out_of_order(world: World) -> None:
    world.tell(world.put(), 3)
    world.tell(world.put(), 1)
    assert faults(world.verdict()) == {"gaps", "out_of_order"}


def test_kinds_that_go_to_different_addresses_do_not_wait_for_one_another(world: World) -> None:
    told = world.tell(world.put(), 2)
    world.told.append(replace(told, kind="user_connected_webhook", number=1, event_id="evt_1", digest=""))
    assert world.verdict().holds


@pytest.mark.parametrize("other", [{"event_id": "evt_9"}, {"digest": "other"}, {"number": 2}])
def test_a_repeated_webhook_must_be_the_same(world: World, other: dict[str, str]) -> None:
    told = world.tell(world.put(), 1)
    world.told.append(replace(told, **other))  # type: ignore[arg-type]
    assert "changed_repeats" in faults(world.verdict())


def test_what_went_with_its_epoch_counts_apart_unless_a_client_had_it_long_before(world: World) -> None:
    seen, seen_late, unseen = world.put(), world.put(), world.put()
    seen.stored.read_ms, seen_late.stored.read_ms = AT_MS - 10_000, AT_MS - 9_000
    world.account.inbox.renumber(7, AT_MS)
    assert waited_for(world.generated, world.told, world.store.accounts) == [seen]
    verdict = world.verdict()
    assert (len(verdict.missing), verdict.apart) == (1, 2)
    # It may be told all the same, once.
    world.tell(seen, 1)
    world.tell(unseen, 2)
    assert world.verdict().holds


def test_what_came_before_the_mailbox_was_opened_anew_counts_apart_and_what_came_after_does_not(world: World) -> None:
    inbox = world.account.inbox
    inbox.renumber(7, AT_MS)
    world.put()
    inbox.was_opened(inbox.uid_validity, inbox.uid_next)
    after = world.put()
    assert waited_for(world.generated, world.told, world.store.accounts) == [after]


def test_a_mailbox_that_nobody_ever_opened_is_a_fault(world: World) -> None:
    world.account.inbox.told_from.clear()
    world.put()
    assert faults(world.verdict()) == {"missing"}
