"""`postroom receive` where no server runs: it decides as the running server does, by a look into an SQLite file."""

import asyncio
import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest
from peers.dns_server import DnsServer
from peers.require import ROOT
from queue_rows import message_row, recipient_row

from postroom.access.audit import COMMAND
from postroom.app.arriving import KEPT, check_folder, take
from postroom.app.backup import back_up
from postroom.app.erasing import Erasure
from postroom.app.inbound import make_take_in
from postroom.app.pipe_operations import PipeOperations
from postroom.app.services import Services, open_services
from postroom.base.clock import DAY_MS, ManualClock, SystemClock
from postroom.base.errors import PostroomError, TryLater
from postroom.base.ids import first_id_at
from postroom.base.secrets import CannotOpen
from postroom.base.tokens import TokenKind
from postroom.config import Settings, read_settings
from postroom.inbound.arrived import check, put_aside, waiting
from postroom.inbound.rcpt_copy import RcptCopy
from postroom.inbound.recipients import NO_SUCH_ADDRESS
from postroom.ledger.inbound_rows import Destination
from postroom.ledger.keeping_rows import RestorationRow
from postroom.ledger.route_rows import RouteAction, RouteRow
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.mail.return_path import machine_address
from postroom.store.database import Tx, open_database
from postroom.store.sqlite_look import RCPT_COPY, SqliteLook

MAIL = b"From: ann@example.net\r\nSubject: hello\r\n\r\nbody\r\n"
HOP = b"Received: from a by mail.postroom.test (Postroom) with SMTP id 1; x\r\n"
BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Installation:
    """A data folder on which no server runs; addresses of it by what they are."""

    settings: Settings
    """On SQLite."""
    elsewhere: Settings
    """On PostgreSQL, which does not answer, with a copy of what the database has."""
    addresses: dict[str, str]
    answered: Callable[[list[tuple[list[list[str]], bytes]]], list[tuple[int, str, str]]]
    """What the running server says to mails."""


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str, dns_server: DnsServer) -> Installation:
    folder = tmp_path / "data"
    folder.mkdir()
    told = {"data": str(folder), "database_url": sqlite_url, "hostname": "mail.postroom.test"}
    settings = read_settings({f"POSTROOM_{k.upper()}": v for k, v in {**told, "resolver": dns_server.address}.items()})

    elsewhere = replace(settings, database_url="postgresql://127.0.0.1:1/none")

    async def prepare() -> dict[str, str]:
        async with open_services(settings, SystemClock()) as services:
            addresses = await _fill(services)
            await RcptCopy(folder / RCPT_COPY, services.database, services.clock, services.slow).refresh()
            return addresses

    def answered(asked: list[tuple[list[list[str]], bytes]]) -> list[tuple[int, str, str]]:
        async def ask() -> list[tuple[int, str, str]]:
            async with open_services(settings, SystemClock()) as services:
                operations = PipeOperations(services)
                return [await _answer(operations, to, mail) for to, mail in asked]

        return asyncio.run(ask())

    return Installation(settings, elsewhere, asyncio.run(prepare()), answered)


async def _take_in(settings: Settings) -> int:
    async with open_services(settings, SystemClock()) as services:
        return await make_take_in(services).take_all()


async def _answer(operations: PipeOperations, to: list[list[str]], mail: bytes) -> tuple[int, str, str]:
    upload = {}
    if mail[BLOCK:]:
        upload = {**await operations.begin({}), "rest_bytes": len(mail) - BLOCK}
        await operations.add({"upload": upload["upload"], "number": 1, "data": _text(mail[BLOCK:])})
    given = {"from": "ann@example.net", "to": to, "data": _text(mail[:BLOCK]), **upload}
    said = await operations.receive(given)
    return said["code"], said["enhanced"], said["text"]


async def _fill(services: Services) -> dict[str, str]:
    now, keys = services.clock.now_ms(), services.token_keys()
    message = message_row(created_ms=now)
    old = first_id_at(now - 100 * DAY_MS) + 1
    own = services.ids.next()
    routes = [("support@shop.test", RouteAction.STORE), ("no@shop.test", RouteAction.REFUSE),
              ("news-*@unproved.test", RouteAction.STORE)]  # fmt: skip

    def write(tx: Tx) -> None:
        for number in (1, 2):
            tx.add(WorkspaceRow(number, f"w{number}", now))
        tx.add(_domain(10, 1, "shop.test", vouched=1))
        tx.add(_domain(11, 2, "other.test", proved_ms=now))
        tx.add(_domain(12, 2, "unproved.test"))
        for at, (pattern, action) in enumerate(routes):
            tx.add(RouteRow(20 + at, 1 + at // 2, at, pattern, "*", "[]", action.value, "", None, 1, "", now))
        for row_id in (own, old):
            tx.add(recipient_row(row_id, message))

    await services.database.write(write)

    def token(kind: TokenKind, row_id: int, host: str) -> str:
        return machine_address(keys, kind, keys.signs_with, row_id, host)

    return {
        "bounce": token(TokenKind.BOUNCE, own, "rp.shop.test"),
        "bounce in capitals": token(TokenKind.BOUNCE, own, "RP.Mail.Postroom.Test").upper(),
        "reply to what is old": token(TokenKind.REPLY, old, "rp.other.test"),
        "expired bounce": token(TokenKind.BOUNCE, old, "rp.other.test"),
        "bounce of what was deleted": token(TokenKind.BOUNCE, own + 1, "rp.shop.test"),
        "bounce at a host of nobody": token(TokenKind.BOUNCE, own, "rp.else.test"),
    }


def _domain(row_id: int, workspace_id: int, name: str, **fields: int) -> DomainRow:
    row = DomainRow(
        row_id, workspace_id, name, proof="0" * 32, vouched=0, proved_ms=None, selector="s", rsa_key=b"",
        ed25519_selector="", ed25519_key=None, return_path_seen_ms=None, tracking_seen_ms=None, checked_ms=None,
        created_ms=1,
    )  # fmt: skip
    return row._replace(**fields)


def taken(installation: Installation, to: list[list[str]], mail: bytes = MAIL) -> tuple[int, str, str]:
    blocks = iter([mail[at : at + BLOCK] for at in range(0, len(mail), BLOCK)] or [b""])
    first, second = next(blocks), next(blocks, None)
    reply = take(installation.settings, "ann@example.net", to, first, second, blocks)
    assert reply is not None
    return reply.code, reply.enhanced, reply.text


def by_copy(installation: Installation, to: str, seconds: int = 0) -> int | None:
    """Return what is said by a copy that is so old; None: the database has to be asked."""
    then = time.time() - seconds
    os.utime(installation.settings.data / RCPT_COPY, (then, then))
    reply = take(installation.elsewhere, "ann@example.net", [[to]], MAIL, None, iter(()))
    return None if reply is None else reply.code


def test_it_says_what_the_running_server_says(installation: Installation) -> None:
    plain = ["abuse@shop.test", "postmaster", "Postmaster@rp.other.test", "abuse@mail.postroom.test", "abuse@x.test",
             "support@shop.test", "support+tag@SHOP.test", "support@other.test", "no@shop.test", "nobody@shop.test",
             "news-1@unproved.test", "abuse@unproved.test", "no address", "", "b-x@rp.shop.test", *ODD]  # fmt: skip
    recipients = [[[one]] for one in (*plain, *installation.addresses.values())]
    recipients += [[["x@y.test", "abuse@shop.test"]], [["abuse@shop.test"], ["x@y.test"]]]
    mails = [b"", b" \r\n", HOP * 4 + MAIL, b"Received: x\r\n" * 101 + MAIL, b"X: y\r\n" * 50_000, HOP * 3 + MAIL]

    asked = [(to, MAIL) for to in recipients] + [([["abuse@shop.test"]], mail) for mail in mails]
    here = [taken(installation, to, mail) for to, mail in asked]

    elsewhere = replace(installation, settings=installation.elsewhere)
    deleted = installation.addresses["bounce of what was deleted"]
    by_the_copy = [taken(elsewhere, to, mail) for to, mail in asked if to != [[deleted]]]
    assert by_the_copy == [told for (to, _), told in zip(asked, here, strict=True) if to != [[deleted]]]
    for path in waiting(installation.settings.data / "arrived")[-sum(code == 250 for code, _, _ in by_the_copy) :]:
        path.unlink()

    expected = [KEPT_WORDS if said[0] == 250 else said for said in installation.answered(asked)]
    for (to, _), told, said in zip(asked, here, expected, strict=True):
        assert (to, told) == (to, said)
    assert {code for code, _, _ in here} == {250, 550, 552, 554}
    kept = sum(code == 250 for code, _, _ in here)
    assert len(waiting(installation.settings.data / "arrived")) == kept > 10
    assert asyncio.run(_take_in(installation.settings)) == kept


ODD = ["abuse@\udce9.test", "\udce9@shop.test", "abuse@SHOP.test.", "abuse@sh\u00f6p.test", "a\0b@shop.test", "@",
       '"abuse"@shop.test', '"support"@shop.test', "@shop.test", "abuse@", "@a.test:abuse@shop.test", "a@[::1]",
       "b-\u0661@rp.shop.test", "support@" + "x" * 300 + ".test"]  # fmt: skip
KEPT_WORDS = (KEPT.code, KEPT.enhanced, KEPT.text)


def test_the_file_says_how_each_recipient_was_decided(installation: Installation) -> None:
    taken(installation, [[installation.addresses["bounce"]], ["support@shop.test"], ["abuse@other.test"]])

    [path] = waiting(installation.settings.data / "arrived")
    decided = check(path).arrived.recipients
    assert [(one.destination, one.workspace_id) for one in decided] == [
        (Destination.BOUNCE, None), (Destination.ROUTE, 1), (Destination.ROLE, 2),
    ]  # fmt: skip
    assert decided[0].own_recipient_id is not None


def test_a_wrong_master_key_refuses_no_bounce(installation: Installation) -> None:
    """A mail that is refused is lost: what cannot be checked stays with the MTA."""
    (installation.settings.data / "secret.key").write_text("11" * 32)

    with pytest.raises(CannotOpen):
        taken(installation, [[installation.addresses["bounce"]]])


def test_the_look_changes_nothing_and_sees_what_is_not_yet_in_the_file(installation: Installation) -> None:
    """A server that was killed leaves a WAL behind."""
    path = Path(installation.settings.database.removeprefix("sqlite:///"))

    def files() -> bytes:
        return path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()

    async def write_and_look() -> tuple[bytes, bytes]:
        database = await open_database(installation.settings.database, clock=ManualClock())
        await database.write(lambda tx: tx.add(_domain(13, 2, "new.test", vouched=1)))
        before = files()
        with SqliteLook(path) as look:
            assert look.owners(["new.test", "gone.test"]) == {"new.test": 2}
        after = files()
        await database.close()
        return before, after

    before, after = asyncio.run(write_and_look())

    assert after == before


def test_no_database_and_no_data_folder_mean_later(tmp_path: Path) -> None:
    settings = read_settings({"POSTROOM_DATA": str(tmp_path)})
    with pytest.raises(PostroomError, match="no data folder: set POSTROOM_DATA"):
        check_folder(settings)
    (tmp_path / "secret.key").write_text("11" * 32)
    check_folder(settings)

    with pytest.raises(TryLater, match="cannot be opened"):
        take(settings, "", [["abuse@shop.test"]], MAIL, None, iter(()))
    (tmp_path / "postroom.db").touch()
    with pytest.raises(TryLater, match="no such table"):
        take(settings, "", [["abuse@shop.test"]], MAIL, None, iter(()))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["postroom.db", "secret.key"]


async def test_a_backup_that_was_not_restored_takes_nothing(sqlite_url: str) -> None:
    database = await open_database(sqlite_url, clock=ManualClock())
    await database.write(lambda tx: tx.add(RestorationRow(1, 1)))
    await database.close()

    with pytest.raises(PostroomError, match="postroom restore"):
        SqliteLook(Path(sqlite_url.removeprefix("sqlite:///")))


def test_a_copy_refuses_for_a_minute_and_takes_for_an_hour(installation: Installation) -> None:
    """A refusal cannot be undone, and another node may have made the address meanwhile."""
    for seconds in (0, 50, -50):
        assert (by_copy(installation, "support@shop.test", seconds), by_copy(installation, "x@shop.test", seconds)) == (
            250, 550,
        )  # fmt: skip
    for seconds in (70, 3500, -3500):
        assert (by_copy(installation, "support@shop.test", seconds), by_copy(installation, "x@shop.test", seconds)) == (
            250, None,
        )  # fmt: skip
    assert by_copy(installation, "support@shop.test", 3700) is None


def test_a_copy_that_is_damaged_or_missing_or_sealed_with_another_key_decides_nothing(
    installation: Installation,
) -> None:
    path, bounce = installation.settings.data / RCPT_COPY, installation.addresses["bounce"]
    assert by_copy(installation, bounce) == 250
    (installation.settings.data / "secret.key").write_text("11" * 32)
    assert by_copy(installation, bounce) is None

    path.write_bytes(path.read_bytes()[:5000])
    assert by_copy(installation, "support@shop.test") is None
    path.unlink()
    assert take(installation.elsewhere, "", [["support@shop.test"]], MAIL, None, iter(())) is None


def test_what_a_copy_lets_in_for_one_who_was_deleted_is_for_nobody(installation: Installation) -> None:
    assert by_copy(installation, installation.addresses["bounce of what was deleted"]) == 250

    assert asyncio.run(_take_in(installation.settings)) == 0
    assert waiting(installation.settings.data / "arrived") == []


def test_a_copy_follows_the_database_and_has_no_secrets_of_routes(installation: Installation) -> None:
    path = installation.settings.data / RCPT_COPY
    target = "https://hooks.test/a-token-in-the-path"

    async def change() -> None:
        async with open_services(installation.settings, SystemClock()) as services:
            copy = RcptCopy(path, services.database, services.clock, services.slow)
            await copy.refresh()
            route = RouteRow(90, 1, 9, "new@shop.test", "*", "[]", "webhook", target, b"sealed secret", 1, "who", 1)
            await services.database.write(lambda tx: tx.add(route))
            await copy.refresh()
            before = path.stat()
            assert by_copy(installation, "new@shop.test", 3700) is None
            await copy.refresh()
            assert path.stat().st_ino == before.st_ino
            assert by_copy(installation, "new@shop.test") == 250
            path.unlink()
            for _ in range(2):
                # One finds that it is gone, and the next one makes it anew.
                await copy.refresh()
            assert by_copy(installation, "new@shop.test") == 250

    asyncio.run(change())

    assert path.stat().st_mode & 0o777 == 0o600
    assert not [word for word in (target, "sealed secret", "who") if word.encode() in path.read_bytes()]


def test_a_copy_that_cannot_be_written_stops_nobody(installation: Installation) -> None:
    (installation.settings.data / f"{RCPT_COPY}.new").mkdir()

    async def refresh() -> int:
        async with open_services(installation.settings, SystemClock()) as services:
            await RcptCopy(
                installation.settings.data / RCPT_COPY, services.database, services.clock, services.slow
            ).refresh()
            return len(await services.domains.list(services.workspaces.rows[1]))

    assert asyncio.run(refresh()) == 1
    assert by_copy(installation, "support@shop.test") == 250


def test_nobody_is_no_such_address(installation: Installation) -> None:
    code, enhanced, _ = taken(installation, [["nobody@shop.test"]])

    assert (code, enhanced) == (NO_SUCH_ADDRESS.code, NO_SUCH_ADDRESS.enhanced)


def test_who_erases_a_person_hears_of_what_waits_too(installation: Installation) -> None:
    """It is taken in first: then it is one mail among others, and what cannot be taken in is named."""
    for _ in range(2):
        taken(installation, [["abuse@shop.test"]], MAIL)
    aside = put_aside(waiting(installation.settings.data / "arrived")[0])

    async def erase() -> list[str]:
        async with open_services(installation.settings, SystemClock()) as services:
            erasure = Erasure(services)
            return (await erasure.erase("ann@example.net", [1, 2], COMMAND, everywhere=True, as_author=True)).left

    left = asyncio.run(erase())

    assert waiting(installation.settings.data / "arrived") == []
    assert "came in and is not worked on yet: erase again in a minute" in left[0]
    assert left[-1] == f"{aside} names the address and could not be taken in: delete it"


def test_a_backup_says_what_it_lacks(installation: Installation, tmp_path: Path) -> None:
    taken(installation, [["abuse@shop.test"]])

    made = back_up(installation.settings, tmp_path / "kept", with_key=False, told=lambda what, done, whole: None)

    assert made["arrived"] == 1


def test_it_costs_little_beside_an_empty_program(installation: Installation) -> None:
    """By CPU time: how long it takes says more about who else is at work."""
    given = ["--from", "a@b.test", "--to", installation.addresses["bounce"]]

    receiving = min(used(installation, given, MAIL).seconds for _ in range(3))
    empty = min(used(installation, [], b"", program=["-c", "pass"]).seconds for _ in range(3))

    assert receiving < _TIMES_AN_EMPTY_PROGRAM * empty
    assert len(waiting(installation.settings.data / "arrived")) == 3


def test_a_large_mail_is_never_in_memory_as_a_whole(installation: Installation) -> None:
    large = MAIL + b"0123456789abcdef0123456789abcde\n" * (50 << 15)

    peak = used(installation, ["--from", "a@b.test", "--to", "abuse@shop.test"], large).peak_kb

    assert peak < 48 << 10
    [path] = waiting(installation.settings.data / "arrived")
    assert path.stat().st_size > 50 << 20


class Used(NamedTuple):
    """What a program used."""

    seconds: float
    peak_kb: int


def used(
    installation: Installation, words: list[str], mail: bytes, program: Sequence[str] = ("-m", "postroom", "receive")
) -> Used:
    """Run a program to its good end, with a mail on its standard input."""
    told = {"POSTROOM_DATA": str(installation.settings.data), "POSTROOM_DATABASE_URL": installation.settings.database}
    done = subprocess.run(
        [sys.executable, "-c", _USED, *program, *words],
        env={"PYTHONPATH": str(ROOT / "src"), "POSTROOM_HOSTNAME": installation.settings.hostname, **told},
        input=mail,
        capture_output=True,
        timeout=60,
        check=True,
    )
    seconds, peak_kb = done.stdout.split()
    return Used(float(seconds), int(peak_kb))


_TIMES_AN_EMPTY_PROGRAM = 15
"""Seven or eight were measured; all of the program takes some sixty."""
_USED = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
