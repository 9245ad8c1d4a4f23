"""Domains of workspaces: made with their keys, proved, looked up for every accept."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.base.threads import Threads
from postroom.domains.checks import CheckedRecord, DomainDns, check_record
from postroom.domains.records import DnsRecord, Installation, records_for, return_path_name, tracking_name
from postroom.ledger.rows import DomainRow, WorkspaceRow
from postroom.mail.address import domain_to_a_labels
from postroom.outbound.sign import SigningKey, load_key, new_ed25519_key, new_rsa_key
from postroom.store import domains
from postroom.store.database import Database, Tx

_log = structlog.get_logger(__name__)

_RSA_SELECTOR = "postroom1"
_ED25519_SELECTOR = "postroom1e"
_KEEP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain with the records to publish and what DNS held at the last look."""

    row: DomainRow
    records: tuple[CheckedRecord, ...]


class Domains:
    """The domains of all workspaces, kept in memory and read again every 15 seconds."""

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        sealer: Sealer,
        dns: DomainDns,
        installation: Installation,
        slow: Threads,
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._dns = dns
        self._installation = installation
        self._slow = slow
        self._by_name: dict[tuple[int, str], DomainRow] = {}
        self._hosts: dict[str, int] = {}
        self._owners: dict[str, int] = {}
        self._keys: dict[int, tuple[SigningKey, ...]] = {}
        self._read_at = float("-inf")
        self._tell: Callable[[Mapping[str, int]], None] = lambda hosts: None

    async def refresh(self) -> None:
        """Read all domains again."""
        rows = await self._database.read(domains.all_domains)
        self._by_name = {(row.workspace_id, row.name): row for row in rows}
        self._owners = {row.name: row.workspace_id for row in rows if may_send(row)}
        self._hosts = _hosts(self._owners)
        self._tell(self._hosts)
        known = {row.id for row in rows}
        self._keys = {key: value for key, value in self._keys.items() if key in known}
        self._read_at = self._clock.monotonic()

    async def sender(self, workspace_id: int, name: str) -> DomainRow | None:
        """Return the workspace's row of a From domain, proved or not, or None. Raises TryLater."""
        if self._clock.monotonic() - self._read_at > _KEEP_SECONDS:
            await self.refresh()
        return self._by_name.get((workspace_id, name))

    def owners(self) -> Mapping[str, int]:
        """Return the proved domains with their workspaces, as last read."""
        return self._owners

    def hosts(self) -> Mapping[str, int]:
        """Return the proved `go.` and `rp.` hosts with their workspaces, as last read."""
        return self._hosts

    def tell_hosts(self, told: Callable[[Mapping[str, int]], None]) -> None:
        """Have `told` called with `hosts()` whenever they were read: copies may name a new host at once."""
        self._tell = told

    async def signing_keys(self, domain_id: int) -> tuple[SigningKey, ...]:
        """Return the opened keys of a domain, the RSA key first; none where the domain is gone."""
        if domain_id not in self._keys:
            row = await self._database.read(lambda conn: domains.domain_by_id(conn, domain_id))
            if row is None:
                return ()
            self._keys[domain_id] = self._open_keys(row)
        return self._keys[domain_id]

    async def list(self, workspace: WorkspaceRow) -> list[DomainRow]:
        """Return the domains of a workspace by name."""
        return await self._database.read(lambda conn: domains.domains_of(conn, workspace.id))

    async def get(self, workspace: WorkspaceRow, name: str) -> DomainRow | None:
        """Return a workspace's domain, or None."""
        return await self._database.read(lambda conn: domains.domain_named(conn, workspace.id, name.lower()))

    async def create(
        self,
        workspace: WorkspaceRow,
        name: str,
        *,
        vouched: bool = False,
        ed25519: bool = True,
        in_transaction: Callable[[Tx], None] | None = None,
    ) -> DomainRow:
        """Make a domain with its keys, or vouch for one that exists. Raises WrongInput.

        A name that another workspace has proved cannot be made. `vouched` is for
        the operator at the command line only. `in_transaction` runs in the
        transaction that makes the domain.
        """
        label = _checked_name(name)
        owner = await self._database.read(lambda conn: domains.owner_of(conn, label))
        if owner is not None and owner.workspace_id != workspace.id:
            raise WrongInput("name", f"{label} is proved by another workspace of this installation")
        existing = await self.get(workspace, label)
        if existing is not None:
            if not vouched:
                raise WrongInput("name", f"{label} is there already; `postroom domain check {label}` shows its records")
            await self._database.write(lambda tx: domains.set_vouched(tx, workspace.id, existing.id))
            await self.refresh()
            return existing._replace(vouched=1)
        row = await self._slow.run(lambda: self._new_row(workspace, label, vouched=vouched, ed25519=ed25519))

        def write(tx: Tx) -> None:
            tx.add(row)
            if in_transaction is not None:
                in_transaction(tx)

        await self._database.write(write)
        await self.refresh()
        return row

    async def unvouch(self, workspace: WorkspaceRow, row: DomainRow) -> None:
        """Take the operator's word for a domain back: from now on its mail may leave only by the proof in DNS."""
        await self._database.write(lambda tx: domains.set_vouched(tx, workspace.id, row.id, vouched=False))
        await self.refresh()

    async def delete(
        self, workspace: WorkspaceRow, name: str, *, in_transaction: Callable[[Tx], None] | None = None
    ) -> bool:
        """Delete a domain with its keys; tell whether there was one. `in_transaction` runs with the deletion."""
        row = await self.get(workspace, name)
        if row is None:
            return False

        def write(tx: Tx) -> None:
            if domains.delete_domain(tx, workspace.id, row.id) and in_transaction is not None:
                in_transaction(tx)

        await self._database.write(write)
        await self.refresh()
        return True

    def records(self, row: DomainRow) -> tuple[DnsRecord, ...]:
        """Return the records that the domain's owner publishes."""
        keys = [(key.selector, key.record_text()) for key in self._open_keys(row)]
        return records_for(row.name, row.proof, keys, self._installation)

    def last_look(self, row: DomainRow) -> tuple[CheckedRecord, ...]:
        """Return the records with what the last check found; none where nobody has looked yet.

        A record that the check did not know (another public address since then)
        is not among them.
        """
        problems: dict[str, str] = json.loads(row.problems or "{}")
        return tuple(
            CheckedRecord(record, not problems[record.purpose], problems[record.purpose])
            for record in self.records(row)
            if record.purpose in problems
        )

    async def check(self, row: DomainRow) -> DomainView:
        """Look all records up, remember what was seen, and return it.

        A proof once seen stays; where two workspaces claim a name, the first
        whose proof is seen has it.
        """
        # Side by side: a DNS server that says nothing would cost its time limit seven times.
        checked = await asyncio.gather(*(check_record(self._dns, record) for record in self.records(row)))
        seen = {one.record.purpose for one in checked if one.seen}
        now = self._clock.now_ms()
        owner = await self._database.read(lambda conn: domains.owner_of(conn, row.name))
        provable = owner is None or owner.workspace_id == row.workspace_id
        proved = row.proved_ms or (now if "proof" in seen and provable else None)
        after = row._replace(
            proved_ms=proved,
            return_path_seen_ms=now if "return_path" in seen else None,
            tracking_seen_ms=now if "tracking" in seen else None,
            checked_ms=now,
            problems=json.dumps({one.record.purpose: one.problem for one in checked}),
        )
        await self._database.write(lambda tx: domains.set_checked(tx, after))
        await self.refresh()
        return DomainView(after, tuple(checked))

    def _open_keys(self, row: DomainRow) -> tuple[SigningKey, ...]:
        rsa = self._sealer.open(row.rsa_key, f"domain/{row.id}/rsa_key")
        keys = [load_key(row.name, row.selector, rsa)]
        if row.ed25519_key is not None:
            ed25519 = self._sealer.open(row.ed25519_key, f"domain/{row.id}/ed25519_key")
            keys.append(load_key(row.name, row.ed25519_selector, ed25519))
        return tuple(keys)

    def _new_row(self, workspace: WorkspaceRow, name: str, *, vouched: bool, ed25519: bool) -> DomainRow:
        row_id = self._ids.next()
        return DomainRow(
            id=row_id,
            workspace_id=workspace.id,
            name=name,
            proof=secrets.token_hex(16),
            vouched=int(vouched),
            proved_ms=None,
            selector=_RSA_SELECTOR,
            rsa_key=self._sealer.seal(new_rsa_key(), f"domain/{row_id}/rsa_key"),
            ed25519_selector=_ED25519_SELECTOR if ed25519 else "",
            ed25519_key=self._sealer.seal(new_ed25519_key(), f"domain/{row_id}/ed25519_key") if ed25519 else None,
            return_path_seen_ms=None,
            tracking_seen_ms=None,
            checked_ms=None,
            created_ms=self._clock.now_ms(),
        )


def may_send(row: DomainRow | None) -> bool:
    """Tell whether mail from this domain may leave the machine."""
    return row is not None and (row.vouched == 1 or row.proved_ms is not None)


def _hosts(owners: Mapping[str, int]) -> dict[str, int]:
    return {host: owner for name, owner in owners.items() for host in (tracking_name(name), return_path_name(name))}


def _checked_name(name: str) -> str:
    label = domain_to_a_labels(name.strip().rstrip("."))
    if "." not in label:
        raise WrongInput("name", f"{name!r} needs at least one dot, such as example.com")
    return label
