"""The made-up watched mailboxes: accounts in every state, what was found in them, and tracers. Nothing is dialled.

Their rows are written by the functions that write real ones, but no account is
connected: whoever watches here passes them by.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.accounts.providers import Overrides
from postroom.app.demo.mails import DOMAIN
from postroom.base.clock import DAY_MS, HOUR_MS
from postroom.base.ids import IdSource
from postroom.base.packing import pack
from postroom.base.secrets import Sealer
from postroom.events.accounts import AccountFacts, Found, NewEvent, append_events, append_mails, append_unnumbered
from postroom.ledger.account_rows import (
    AccountMailRow,
    AccountOwnerRow,
    AccountRow,
    AccountState,
    AccountStatusRow,
    ConnectionRow,
    MailboxRow,
    Outcome,
    TracerRow,
)
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.rows import WorkspaceRow
from postroom.mail.address_list import Mailbox
from postroom.mail.compose import Draft, compose
from postroom.mail.imap_envelope import envelope_of
from postroom.store import account_events, tracers, watching
from postroom.store.database import Database, Tx

_MINUTE_MS = 60_000
_EPOCH = 1
_SEED = 20_261_123
_UID_VALIDITY = 1_727_000_000
_MAILS_DAYS = 3
_TRACER_MS = 20 * _MINUTE_MS

_GMAIL, _MICROSOFT, _OWN = "GMAIL_OAUTH2", "MICROSOFT_OAUTH2", "PLAIN"
_DELAYS = {_GMAIL: (700, 900), _MICROSOFT: (2_500, 21_000), _OWN: (300, 120)}
"""How long a provider takes to its mailbox, and from there to its notice, in the middle."""
_WATCHED = (AccountState.WATCHING, AccountState.POLLING, AccountState.AWAY)
_SERVERS = {
    _GMAIL: json.dumps(
        {
            "banner": "Gimap ready for requests",
            "id": {"name": "GImap", "vendor": "Google, Inc."},
            "capabilities": ["IMAP4rev1", "IDLE", "UIDPLUS", "CONDSTORE", "ESEARCH", "XOAUTH2", "X-GM-EXT-1"],
        }
    ),
    _MICROSOFT: json.dumps(
        {
            "banner": "The Microsoft Exchange IMAP4 service is ready.",
            "capabilities": ["IMAP4", "IMAP4rev1", "IDLE", "UIDPLUS", "SASL-IR", "XOAUTH2", "LITERAL+"],
        }
    ),
    _OWN: json.dumps(
        {
            "banner": "Dovecot ready.",
            "id": {"name": "Dovecot"},
            "capabilities": ["IMAP4rev1", "IDLE", "NOTIFY", "CONDSTORE", "QRESYNC", "LIST-STATUS", "SPECIAL-USE"],
        }
    ),
}
_SUBJECTS = (
    ("Vera Holm", "vera@harbour-press.example", "Proofs of chapter seven"),
    ("Jonas Ek", "jonas.ek@north-paper.example", "Offer for 40 reams, cream"),
    ("Post Office", "tracking@parcels.example", "Your parcel leaves tonight"),
    ("Mireille Aubert", "m.aubert@librairie.example", "Commande n° 2214"),
    ("Sam Odum", "sam@printers.example", "Re: colours of the cover"),
    ("Ledger", "no-reply@bank.example", "Your statement for October"),
    ("", "reader@example.net", "do you still have the lighthouse atlas?"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose mailbox is watched."""

    name: str
    provider: str
    state: AccountState = AccountState.WATCHING
    mails: int = 18
    why: str = ""
    is_tracer: bool = False
    boxes: tuple[str, ...] = ("INBOX",)


PEOPLE = (
    Person("ada", _GMAIL, mails=41),
    Person("grace", _GMAIL, mails=26, boxes=("INBOX", "Entw&APw-rfe")),
    Person("barbara", _GMAIL),
    Person("tracer-g", _GMAIL, mails=0, is_tracer=True),
    Person("alan", _MICROSOFT, mails=33),
    Person("edsger", _MICROSOFT),
    Person("tracer-m", _MICROSOFT, mails=0, is_tracer=True),
    Person(
        "donald",
        _MICROSOFT,
        AccountState.AWAY,
        9,
        "its server said: User is authenticated but not connected (throttled); it is asked again later",
    ),
    Person("tony", _MICROSOFT, AccountState.REFUSED, 7, "the provider says that the authorization was taken back"),
    Person("shop", _OWN, mails=52),
    Person("press", _OWN, AccountState.POLLING, 12),
    Person("intern", _OWN, AccountState.UNCONNECTED, 0),
    Person("frances", _OWN, AccountState.ARCHIVED, 6),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up account."""

    person: Person
    facts: AccountFacts
    box: MailboxRow


@dataclass(order=True, slots=True)
class _Happening:
    at_ms: int
    order: int
    write: Callable[[Tx], None] = field(compare=False)


class Mailboxes:
    """Fills one workspace with accounts."""

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        set_clock: Callable[[int], None],
        end_ms: int,
        node: int,
        sealer: Sealer,
    ) -> None:
        """`set_clock` moves the clock by which `ids` are made; `node` is shown as the one that watches."""
        self._database = database
        self._ids = ids
        self._set_clock = set_clock
        self._end_ms = end_ms
        self._node = node
        self._sealer = sealer
        self._chance = random.Random(_SEED)  # noqa: S311 - the same demo every time
        self._happenings: list[_Happening] = []

    async def fill(self, workspace: WorkspaceRow) -> int:
        """Write everything in one transaction; return how many accounts there are. Raises TryLater."""
        begin = self._end_ms - 12 * DAY_MS
        self._set_clock(begin)
        connections = {code: self._connection(workspace, code, begin) for code in (_GMAIL, _MICROSOFT, _OWN)}
        made = [self._account(person, connections[person.provider], begin) for person in PEOPLE]
        self._happenings.sort()

        def write(tx: Tx) -> None:
            for row in connections.values():
                tx.add(row)
            for one in self._happenings:
                self._set_clock(one.at_ms)
                one.write(tx)

        await self._database.write(write)
        return len(made)

    def _at(self, at_ms: int, write: Callable[[Tx], None]) -> None:
        self._happenings.append(_Happening(at_ms, len(self._happenings), write))

    def _connection(self, workspace: WorkspaceRow, code: str, now_ms: int) -> ConnectionRow:
        said = Overrides(imap_host=f"imap.{DOMAIN}", smtp_host=f"smtp.{DOMAIN}") if code == _OWN else Overrides()
        client = "" if code == _OWN else f"lighthouse-books.{code.partition('_')[0].lower()}.example"
        row_id = self._ids.next()
        secret = self._sealer.seal(b"made up", f"connection/{row_id}/client_secret") if client else None
        return ConnectionRow(row_id, workspace.id, code, client, secret, said.to_json(), now_ms)

    def _account(self, person: Person, connection: ConnectionRow, begin: int) -> Made:
        account_id, workspace_id = self._ids.next(), connection.workspace_id
        is_known = person.state is not AccountState.UNCONNECTED
        host = {_GMAIL: "gmail.example", _MICROSOFT: "outlook.example", _OWN: DOMAIN}[person.provider]
        email = f"{person.name}@{host}" if is_known else ""
        account = AccountRow(
            id=account_id,
            workspace_id=workspace_id,
            connection_id=connection.id,
            tag=f"user-{person.name}",
            tag_key=f"user-{person.name}",
            email=email,
            username="",
            password=None,
            refresh_token=None,
            server="",
            mailboxes="",
            is_tracer=int(person.is_tracer),
            is_archived=int(person.state is AccountState.ARCHIVED),
            connected_ms=None,
            created_ms=begin,
            changed_ms=begin,
        )
        first = self._chance.randrange(400, 4_000)
        boxes = [
            MailboxRow(
                self._ids.next(), account_id, workspace_id, name, _UID_VALIDITY, first, first, 0, None,
                self._end_ms - self._chance.randrange(1, 9) * _MINUTE_MS, self._end_ms - 9 * HOUR_MS, 40,
            )
            for name in person.boxes
        ]  # fmt: skip
        made = Made(person, AccountFacts(account_id, workspace_id, account.tag, connection.provider, email), boxes[0])
        watched = self._node if person.state in _WATCHED else None

        def write(tx: Tx) -> None:
            tx.add(account)
            tx.add(AccountOwnerRow(account_id, workspace_id, watched, _EPOCH))
            tx.add(self._status(made))
            for box in boxes if is_known else ():
                tx.add(box)

        self._at(begin, write)
        if is_known:
            self._at(begin + 1, lambda tx: self._tell(tx, made, EventKind.ACCOUNT_CONNECTED, begin + 1, {}))
            self._mails(made)
        if person.state is AccountState.REFUSED:
            why: dict[str, object] = {"why": person.why}
            refused = self._end_ms - 5 * HOUR_MS
            self._at(refused, lambda tx: self._tell(tx, made, EventKind.ACCOUNT_AUTH_FAILED, refused, why))
        if person.is_tracer:
            self._tracers(made)
        return made

    def _status(self, made: Made) -> AccountStatusRow:
        person, end = made.person, self._end_ms
        row = AccountStatusRow(
            made.facts.account_id,
            made.facts.workspace_id,
            person.state.value,
            person.why,
            end - self._chance.randrange(10 * _MINUTE_MS, 30 * HOUR_MS),
        )
        if person.state is AccountState.UNCONNECTED:
            return row
        row = row._replace(last_login_ms=row.since_ms, server=_SERVERS[person.provider])
        if person.state in _WATCHED and person.provider != _OWN:
            row = row._replace(token_expires_ms=end + self._chance.randrange(4, 55) * _MINUTE_MS)
        if person.state is AccountState.AWAY:
            row = row._replace(since_ms=end - 4 * _MINUTE_MS, retry_ms=end + 26 * _MINUTE_MS, failures=3)
        if person.state is AccountState.REFUSED:
            since = end - 5 * HOUR_MS
            row = row._replace(since_ms=since, auth_failed_ms=since, last_login_ms=since - 7 * HOUR_MS)
            row = row._replace(retry_ms=end + 2 * HOUR_MS, failures=5)
        return row

    # What was found

    def _mails(self, made: Made) -> None:
        last = self._end_ms - (6 * HOUR_MS if made.person.state not in _WATCHED else 4 * _MINUTE_MS)
        times = sorted(
            self._chance.randrange(self._end_ms - _MAILS_DAYS * DAY_MS, last) for _ in range(made.person.mails)
        )
        for number, at_ms in enumerate(times):
            self._at(at_ms, self._finding(made, made.box.first_uid + number, at_ms, is_large=number % 17 == 11))

    def _finding(self, made: Made, uid: int, at_ms: int, *, is_large: bool) -> Callable[[Tx], None]:
        chance, box = self._chance, made.box
        author, address, subject = chance.choice(_SUBJECTS)
        draft = Draft(Mailbox(address, author), (Mailbox(made.facts.email),), subject=subject, text=f"{subject}.\n")
        raw = compose(draft, message_id=f"<{at_ms}.{uid}@{address.partition('@')[2]}>", date_ms=at_ms).content
        provider_ms, notify_ms = (
            round(delay * chance.lognormvariate(0, 0.5)) for delay in _DELAYS[made.facts.provider]
        )
        internal, noticed = at_ms + provider_ms, at_ms + provider_ms + notify_ms
        fetched = noticed + chance.randrange(30, 160)
        recorded = fetched + chance.randrange(2, 25)
        size = 4_800_000 if is_large else len(raw)
        outcome = Outcome.TRUNCATED if is_large else Outcome.DELIVERED
        row = AccountMailRow(
            box.id, box.uid_validity, uid, made.facts.account_id, made.facts.workspace_id, outcome.value, None, size,
            at_ms, internal, noticed, fetched, recorded,
        )  # fmt: skip
        detail = {
            "mailbox": box.name,
            "mailbox_name": box.name,
            "uid_validity": box.uid_validity,
            "uid": uid,
            "size_bytes": size,
            "truncated": is_large,
            "message_id": f"<{at_ms}.{uid}@{address.partition('@')[2]}>",
            "envelope": envelope_of(raw),
        }
        packed = None if is_large else pack(raw)
        is_given_up = made.person.name == "alan" and uid % 9 == 4
        told_after = chance.randrange(20, 400)

        def write(tx: Tx) -> None:
            found = Found(row, NewEvent(EventKind.MAIL_ARRIVED, recorded, detail, packed))
            (number,) = append_mails(tx, made.facts, [found], self._ids, epoch=_EPOCH)
            watching.move_cursor(tx, box._replace(uid_next=uid), uid + 1, recorded)
            watching.note_last_mail(tx, made.facts.account_id, recorded)
            told = account_events.set_given_up if is_given_up else account_events.set_told
            told(tx, made.facts.account_id, number, recorded + (18 * _MINUTE_MS if is_given_up else told_after))

        return write

    def _tell(self, tx: Tx, made: Made, kind: EventKind, at_ms: int, detail: dict[str, object]) -> None:
        account_id = made.facts.account_id
        event = NewEvent(kind, at_ms, detail)
        (number,) = append_events(tx, made.facts, [event], self._ids, epoch=None)
        account_events.set_told(tx, account_id, number, event.at_ms + 90)

    # Tracers

    def _tracers(self, made: Made) -> None:
        for number, at_ms in enumerate(range(self._end_ms - DAY_MS, self._end_ms - _TRACER_MS, 3 * _TRACER_MS)):
            fate = "lost" if made.facts.provider == _MICROSOFT and number in (14, 21) else ""
            fate = "refused" if made.facts.provider == _GMAIL and number == 9 else fate
            self._at(at_ms, self._tracing(made, at_ms, fate))

    def _tracing(self, made: Made, at_ms: int, fate: str) -> Callable[[Tx], None]:
        chance, account_id = self._chance, made.facts.account_id
        code = f"{chance.getrandbits(80):020x}"
        provider_ms, notify_ms = (
            round(delay * chance.lognormvariate(0, 0.4)) for delay in _DELAYS[made.facts.provider]
        )
        internal, noticed = at_ms + provider_ms, at_ms + provider_ms + notify_ms
        times = tracers.Times(internal, noticed, noticed + chance.randrange(40, 140), noticed + 180)

        def write(tx: Tx) -> None:
            why = "smtp.gmail.com:587 said: 421 4.7.0 Try again later" if fate == "refused" else ""
            row = TracerRow(self._ids.next(), account_id, made.facts.workspace_id, code, at_ms, why)
            if fate == "lost":
                row = row._replace(lost_ms=at_ms + 10 * _MINUTE_MS)
                detail = {"sent_ms": at_ms}
                append_unnumbered(tx, made.facts, EventKind.TRACER_LOST, row.lost_ms or 0, detail, self._ids)
            tracers.add_tracer(tx, row)
            if not fate:
                tracers.arrived(tx, account_id, code, times)

        return write
