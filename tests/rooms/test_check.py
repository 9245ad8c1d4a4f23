"""`postroom check`, part by part: what is found wrong, and that it is said what to do."""

import datetime
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from postroom.app.check.certificate import check_certificate
from postroom.app.check.clock import check_synchronised, check_times
from postroom.app.check.findings import Finding, Verdict
from postroom.app.check.fitting import check_settings
from postroom.app.check.folder import check_folder, size
from postroom.app.check.mailboxes import judge
from postroom.app.check.ports import check_bindable
from postroom.config import Settings, read_settings
from postroom.inbound.arrived import FOLDER, Arrived, keep, put_aside
from postroom.outbound.transport import TransportKind

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


def settings_of(**given: str) -> Settings:
    return read_settings({f"POSTROOM_{name.upper()}": value for name, value in given.items()})


def wrong(findings: Any) -> list[Finding]:
    """Return what is not all right; each of it says what to do."""
    found = [one for one in findings if one.verdict is not Verdict.OK]
    assert all(one.remedy for one in found)
    return found


def test_a_new_installation_fits_together() -> None:
    assert wrong(check_settings(settings_of(), TransportKind.SANDBOX)) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "POSTROOM_HOSTNAME is localhost.localdomain"),
        ({"hostname": "mail.example.com"}, "POSTROOM_PUBLIC_URL is empty"),
        ({"public_url": "http://mail.example.com"}, "POSTROOM_PUBLIC_URL is http://mail.example.com"),
        ({"public_url": "https://mail.example.com"}, "POSTROOM_TRUSTED_PROXIES is empty"),
        ({"allow_private": "10.0.0.0/8"}, "POSTROOM_ALLOW_PRIVATE lets mail go to 10.0.0.0/8"),
        ({"direct_port": "2525"}, "POSTROOM_DIRECT_PORT is 2525"),
        ({"tls_cert": "a.pem"}, "only one of"),
        ({"http": "0.0.0.0:8025"}, "without TLS"),
        ({"metrics_from": "0.0.0.0/0"}, "everybody read /metrics"),
        ({"trusted_proxies": "::/0"}, "POSTROOM_TRUSTED_PROXIES believes everybody"),
        ({"trusted_relays": "10.0.0.0/8,0.0.0.0/0"}, "POSTROOM_TRUSTED_RELAYS believes everybody"),
        ({"roles": "api,submission"}, "nobody has the roles deliver, inbound, track, upkeep, watch"),
        ({"http": ""}, "no HTTP listener"),
        ({"helpers": "64"}, "64 helpers"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(given: dict[str, str], said: str) -> None:
    found = wrong(check_settings(settings_of(**given), TransportKind.DIRECT))

    assert [one for one in found if said in one.found], found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    key = path / "secret.key"
    key.touch(mode=0o600)
    return path


def test_a_folder_for_its_owner_only_is_as_it_should_be(folder: Path) -> None:
    assert wrong(check_folder(settings_of(data=str(folder)))) == []


def test_a_key_that_others_may_read_fails(folder: Path) -> None:
    (folder / "secret.key").chmod(0o640)

    (found,) = wrong(check_folder(settings_of(data=str(folder))))

    assert (found.verdict, found.area) == (Verdict.FAIL, "key")
    assert found.remedy.startswith("chmod 600")


def test_a_missing_key_fails_and_none_is_made(folder: Path) -> None:
    (folder / "secret.key").unlink()

    (found,) = wrong(check_folder(settings_of(data=str(folder))))

    assert (found.verdict, found.area) == (Verdict.FAIL, "key")
    assert list(folder.iterdir()) == []


def test_a_folder_that_others_may_enter_is_told(folder: Path) -> None:
    folder.chmod(0o755)

    (found,) = wrong(check_folder(settings_of(data=str(folder))))

    assert (found.verdict, found.area) == (Verdict.WARN, "folder")


def test_a_full_disk_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 1000, 10, 10, 100, 50, 50, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: full)

    room, inodes = wrong(check_folder(settings_of(data=str(folder))))

    assert room.found.startswith("41 kB are free")
    assert inodes.found == "50 more files can be made"
    assert {room.verdict, inodes.verdict} == {Verdict.FAIL}


def test_sizes_are_said_in_words() -> None:
    assert [size(0), size(336_000), size(81_200_000_000)] == ["0 B", "336 kB", "81.2 GB"]


class Certified:
    """A certificate and its key as files."""

    def __init__(self, folder: Path, name: str, *, days: int) -> None:
        issued = trustme.CA().issue_cert(name, not_after=NOW + datetime.timedelta(days=days, hours=1))
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.cert.write_bytes(issued.cert_chain_pems[0].bytes())
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.key.chmod(0o600)
        assert x509.load_pem_x509_certificate(self.cert.read_bytes()).not_valid_before_utc < NOW
        load_pem_private_key(self.key.read_bytes(), password=None)

    def check(self, **given: str) -> list[Finding]:
        settings = settings_of(tls_cert=str(self.cert), tls_key=str(self.key), hostname="mail.example.com", **given)
        return check_certificate(settings, NOW)


def test_a_certificate_for_our_name_holds_for_so_many_days(tmp_path: Path) -> None:
    for name in ("mail.example.com", "*.example.com"):
        (found,) = Certified(tmp_path, name, days=60).check()
        assert (found.verdict, found.found) == (Verdict.OK, f"the certificate is for {name} and holds for 60 days")


def test_a_certificate_about_to_run_out_or_run_out_is_told(tmp_path: Path) -> None:
    (soon,) = Certified(tmp_path, "mail.example.com", days=13).check()
    (over,) = Certified(tmp_path, "mail.example.com", days=-4).check()

    assert (soon.verdict, soon.found) == (Verdict.WARN, "the certificate runs out in 13 days")
    assert (over.verdict, over.found) == (Verdict.FAIL, "the certificate ran out 4 days ago")


def test_a_certificate_for_another_name_is_told(tmp_path: Path) -> None:
    for name in ("other.example.com", "*.mail.example.com", "*.com"):
        (found,) = wrong(Certified(tmp_path, name, days=60).check())
        assert found.found == f"the certificate is for {name}"


def test_a_key_of_another_certificate_fails(tmp_path: Path) -> None:
    one = Certified(tmp_path, "mail.example.com", days=60)
    one.key.write_bytes(trustme.CA().issue_cert("mail.example.com").private_key_pem.bytes())

    (found,) = wrong(one.check())

    assert (found.verdict, "is not the key of" in found.found) == (Verdict.FAIL, True)


def test_a_key_that_everybody_may_read_is_told(tmp_path: Path) -> None:
    one = Certified(tmp_path, "mail.example.com", days=60)
    one.key.chmod(0o644)

    (found,) = wrong(one.check())

    assert found.remedy.startswith("chmod 640")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"])
def test_files_that_are_no_certificate_fail(tmp_path: Path, content: bytes | None) -> None:
    one = Certified(tmp_path, "mail.example.com", days=60)
    one.cert.unlink()
    if content is not None:
        one.cert.write_bytes(content)

    (found,) = wrong(one.check())

    assert (found.area, found.verdict) == ("tls", Verdict.FAIL)


def test_a_self_signed_certificate_matters_once_others_reach_the_door() -> None:
    assert wrong(check_certificate(settings_of(), NOW)) == []
    (found,) = wrong(check_certificate(settings_of(submission="0.0.0.0:587"), NOW))
    assert found.verdict is Verdict.WARN


def test_the_kernel_says_something_about_its_clock() -> None:
    (found,) = check_synchronised()
    assert found.area == "clock"


def test_clocks_that_are_apart_are_told() -> None:
    assert wrong(check_times(1_000_000, 1_001_500, 999_000)) == []
    (apart,) = wrong(check_times(1_000_000, 1_010_000, None))
    (far,) = wrong(check_times(1_000_000, 1_100_000, None))
    assert (apart.verdict, far.verdict) == (Verdict.WARN, Verdict.FAIL)


def test_a_clock_that_has_gone_back_fails() -> None:
    (found,) = wrong(check_times(1_000_000, 1_000_000, 1_060_000))
    assert found.found == "the newest event is 60 s in the future: the clock has gone back"


def test_without_an_inbound_door_nothing_comes_back() -> None:
    public = {"public_url": "https://mail.example.com", "hostname": "mail.example.com", "trusted_proxies": "10.0.0.1"}
    for kind, expected in ((TransportKind.DIRECT, 1), (TransportKind.SANDBOX, 0)):
        found = wrong(check_settings(settings_of(inbound="", **public), kind))
        assert sum("POSTROOM_INBOUND" in one.found for one in found) == expected


@pytest.mark.parametrize(("relays", "is_told"), [("", True), ("127.0.0.1/32", False)])
def test_an_mta_in_front_of_the_inbound_door_should_be_named(relays: str, is_told: bool) -> None:
    found = check_settings(settings_of(inbound="127.0.0.1:2526", trusted_relays=relays), TransportKind.DIRECT)
    assert any("POSTROOM_TRUSTED_RELAYS" in one.remedy for one in found) == is_told


def test_a_port_that_another_program_has_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        findings = list(check_bindable(settings_of(http=f"127.0.0.1:{port}", submission="127.0.0.1:0", inbound="")))

    (found,) = wrong(findings)
    assert (found.verdict, found.found.startswith("POSTROOM_HTTP")) == (Verdict.FAIL, True)
    assert "another program has the port" in found.remedy
    assert len(findings) == 2


@pytest.mark.parametrize(
    ("states", "unwatched", "lost", "watchers", "said"),
    [
        ({}, 0, 0, 0, []),
        ({"archived": 3, "unconnected": 1}, 0, 0, 0, []),
        ({"watching": 4}, 0, 0, 1, []),
        ({"connecting": 4}, 4, 0, 0, ["no node has the role"]),
        ({"watching": 4}, 2, 0, 1, ["2 accounts have no node"]),
        ({"watching": 4, "refused": 1}, 0, 2, 1, ["1 accounts cannot log in", "2 tracers"]),
    ],
)
def test_accounts_that_nobody_watches_or_that_cannot_log_in_are_told(
    states: dict[str, int], unwatched: int, lost: int, watchers: int, said: list[str]
) -> None:
    found = [one.found for one in wrong(judge(states, unwatched, lost, watchers))]

    assert len(found) == len(said)
    assert all(words in text for words, text in zip(said, found, strict=True))


def test_mail_that_waits_for_a_server_is_named_and_so_is_what_was_set_aside(folder: Path) -> None:
    for _ in range(3):
        keep(folder / FOLDER, Arrived(0, "", ()), [b"x"])
    path = put_aside(keep(folder / FOLDER, Arrived(1, "", ()), [b"x"]))

    found = [one.found for one in wrong(check_folder(settings_of(data=str(folder)))) if one.area == "arrived"]

    assert found == [
        f"3 mails wait in {folder / FOLDER} for the server",
        f"1 mails in {folder / FOLDER} could not be taken in, such as {path.name}",
    ]
