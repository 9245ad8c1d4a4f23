"""What a process leaves behind about the tries that it had in flight."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_rows import LATER, NO, OK, claimed

from postroom.ledger.outcomes import Outcome, OutcomeKind
from postroom.mail.smtp_reply import SmtpReply
from postroom.outbound import journal as journals
from postroom.outbound.journal import Flights, Journal, read_folder, read_journals, remove_journals, stamp_boot
from postroom.outbound.recover import outcome_after_crash

BOOT = "boot-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stamp_boot(tmp_path, BOOT)
    return tmp_path


def lost(journal: Journal) -> None:
    """End as a killed process does: descriptors are closed, nothing is tidied up."""
    for segment in (*journal._old, journal._current):
        os.close(segment._fd)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.journal"))


def test_a_dot_without_a_reply_is_told_and_a_reply_is_kept_with_all_that_it_said(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT)
    journal.before_dot(1, 1)
    journal.before_dot(2, 7)
    reply = SmtpReply(550, "5.7.1", "no\nnot here: ü \udcff")
    journal.after_reply(2, 7, Outcome(OutcomeKind.FAILED, reply, "mx:25"))
    lost(journal)
    flights = read_folder(folder, BOOT)
    assert flights == Flights(False, {(1, 1)}, {(2, 7): Outcome(OutcomeKind.FAILED, reply, "mx:25")})


def test_journals_of_all_processes_are_read_together_and_of_one_alone(folder: Path) -> None:
    for number in (1, 2):
        journal = Journal(folder, f"helper-9-{number}", BOOT)
        journal.before_dot(number, 1)
        lost(journal)
    assert read_folder(folder, BOOT).dotted == {(1, 1), (2, 1)}
    assert read_journals(folder, BOOT, "helper-9-2").dotted == {(2, 1)}


def test_reading_waits_until_the_process_that_writes_is_gone(folder: Path) -> None:
    journal = Journal(folder, "helper-9-1", BOOT)
    journal.before_dot(1, 1)
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read_folder, folder, BOOT)
        with pytest.raises(TimeoutError):
            reading.result(0.05)
        journal.after_reply(1, 1, OK)
        lost(journal)
        assert set(reading.result(30).replied) == {(1, 1)}


def test_nothing_in_flight_means_that_a_try_had_not_begun(folder: Path) -> None:
    lost(Journal(folder, "owner-1", BOOT))
    assert outcome_after_crash(claimed(1), read_folder(folder, BOOT)).kind is OutcomeKind.RETURNED


@pytest.mark.parametrize("loss", ["other boot", "no stamp", "no folder"])
def test_after_a_reboot_an_absent_journal_proves_nothing(folder: Path, loss: str) -> None:
    """Nothing but the stamp is synced: a reboot may lose whole journals, and they must not read as 'not begun'."""
    boot = "boot-2" if loss == "other boot" else BOOT
    if loss == "no stamp":
        (folder / "boot").unlink()
    where = folder / "gone" if loss == "no folder" else folder
    assert outcome_after_crash(claimed(1), read_folder(where, boot)).kind is OutcomeKind.IN_DOUBT


def test_a_journal_of_another_boot_is_not_believed(folder: Path) -> None:
    journal = Journal(folder, "owner-1", "boot-0")
    journal.before_dot(1, 1)
    journal.after_reply(1, 1, OK)
    lost(journal)
    flights = read_folder(folder, BOOT)
    assert (flights.boot_id_differs, flights.replied) == (True, {})


def test_a_journal_that_cannot_be_read_puts_in_doubt_what_no_other_one_tells(folder: Path) -> None:
    (folder / "owner-1-1.journal").mkdir()
    assert read_folder(folder, BOOT).boot_id_differs


def test_an_empty_journal_belongs_to_a_process_that_died_at_its_start(folder: Path) -> None:
    (folder / "owner-1-1.journal").write_bytes(b"")
    (folder / "owner-2-1.journal").write_bytes(b'["boot","bo')
    assert not read_folder(folder, BOOT).boot_id_differs


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_passed_over_and_the_rest_is_read(folder: Path, cut: int) -> None:
    journal = Journal(folder, "owner-1", BOOT)
    journal.before_dot(1, 1)
    journal.before_dot(2, 1)
    lost(journal)
    path = folder / "owner-1-1.journal"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_folder(folder, BOOT).dotted - {(2, 1)} == {(1, 1)}


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of `["dot",1,1]` was written; the line of the next try was appended to it and neither could be read."""
    journal = Journal(folder, "owner-1", BOOT)
    whole = os.write
    with monkeypatch.context() as full:
        full.setattr(journals.os, "write", lambda fd, data: whole(fd, data[: len(data) // 2]))
        with pytest.raises(OSError, match="whole"):
            journal.before_dot(1, 1)
    journal.settled(1, 1)
    journal.before_dot(2, 1)
    lost(journal)
    assert read_folder(folder, BOOT).dotted == {(2, 1)}


def test_a_reply_that_cannot_be_written_leaves_its_dot_in_doubt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(folder, "owner-1", BOOT)
    journal.before_dot(1, 1)
    with monkeypatch.context() as full:
        full.setattr(journals.os, "write", _no_space)
        journal.after_reply(1, 1, OK)
    lost(journal)
    assert read_folder(folder, BOOT).dotted == {(1, 1)}


def _no_space(fd: int, data: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_segments_roll_over_and_go_when_all_in_them_is_settled(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT, segment_bytes=100)
    for number in range(20):
        journal.before_dot(number, 1)
        journal.after_reply(number, 1, LATER)
    assert len(files(folder)) > 5
    for number in range(20):
        journal.settled(number, 1)
    assert len(files(folder)) == 1
    journal.close()
    assert files(folder) == []


def test_a_reply_stands_in_the_segment_of_its_dot_so_that_it_goes_with_it(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT, segment_bytes=60)
    journal.before_dot(1, 1)
    for number in range(2, 6):
        journal.before_dot(number, 1)
    journal.after_reply(1, 1, NO)
    assert b'"reply",1,1' in (folder / "owner-1-1.journal").read_bytes()
    lost(journal)


def test_a_segment_in_which_everything_was_settled_goes_when_the_next_one_begins(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT, segment_bytes=60)
    for number in range(20):
        journal.before_dot(number, 1)
        journal.settled(number, 1)
    assert len(files(folder)) == 1
    journal.close()


def test_where_no_new_segment_can_be_made_the_dot_is_forbidden_and_the_old_one_stays_in_use(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT, segment_bytes=10)
    journal.before_dot(1, 1)
    (folder / "owner-1-3.journal").touch()
    with pytest.raises(FileExistsError):
        journal.before_dot(2, 1)
    journal.settled(1, 1)
    journal.before_dot(3, 1)
    lost(journal)
    assert read_folder(folder, BOOT).dotted >= {(3, 1)}


def test_closing_keeps_what_is_not_settled(folder: Path) -> None:
    journal = Journal(folder, "owner-1", BOOT)
    journal.before_dot(1, 1)
    journal.close()
    assert read_folder(folder, BOOT).dotted == {(1, 1)}
    remove_journals(folder)
    assert files(folder) == []
    assert not read_folder(folder, BOOT).boot_id_differs


LINE = st.sampled_from(
    [b'["dot",1,2]', b'["reply",1,2,"delivered",250,"","",""]', b'["reply",1,2,"x",250,"","",""]', b"{"]
)


@given(st.one_of(st.binary(max_size=200), st.lists(st.one_of(LINE, st.binary(max_size=9))).map(b"\n".join)))
def test_reading_never_crashes_on_any_bytes(content: bytes) -> None:
    flights = Flights()
    journals._read_one(content, BOOT, flights)
    journals._read_one(b'["boot","boot-1"]\n' + content, BOOT, flights)
