"""The webhooks that a partner sets by SuperIMAP's names: an endpoint in SuperIMAP's form for each kind of event."""

from collections.abc import Mapping

from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import Sealer
from postroom.ledger.event_kinds import EventKind
from postroom.ledger.webhook_rows import EndpointForm, WebhookEndpointRow
from postroom.net.address_guard import Network
from postroom.net.http_client import url_problem
from postroom.store import webhook_outbox, webhooks, workspaces
from postroom.store.database import Database, Tx
from postroom.webhooks.endpoint_row import kinds_text, new_endpoint
from postroom.webhooks.superimap import FIELDS

KINDS: Mapping[str, EventKind] = {name: kind for kind, name in FIELDS.items()}
"""Names of the settings to what each is told."""

_HASTENED = 500
"""Events that a new address is told at once; the others when their time comes."""


class HookChange:
    """What a partner sets, checked; `write` does it in a transaction."""

    def __init__(
        self,
        workspace_id: int,
        urls: Mapping[str, str],
        new: Mapping[str, WebhookEndpointRow],
        secrets: Mapping[str, str],
    ) -> None:
        """`new` and `secrets`: of what has to be made, should it not be there."""
        self._workspace_id = workspace_id
        self._urls = urls
        self._new = new
        self._secrets = secrets
        self._made: frozenset[str] = frozenset()

    @property
    def secrets(self) -> dict[str, str]:
        """Secrets (Standard Webhooks) of the webhooks that were made, which are shown this once."""
        return {name: secret for name, secret in self._secrets.items() if name in self._made}

    def write(self, tx: Tx) -> None:
        """Make, change and delete endpoints. At a new address what waits is tried at once."""
        made = set()
        # Two who set the same webhook at once make one, not two that tell each mail twice.
        workspaces.hold(tx, self._workspace_id)
        before = _hooks(webhooks.endpoints_of(tx, self._workspace_id))
        for name, url in self._urls.items():
            row = before.get(name)
            if row is None:
                if url:
                    webhooks.create(tx, self._new[name])
                    made.add(name)
            elif not url:
                webhooks.delete(tx, self._workspace_id, row.id)
            elif url != row.url:
                webhooks.begin_again(tx, row.id, self._new[name].created_ms)
                webhooks.update(tx, row._replace(url=url))
                webhook_outbox.hasten(tx, row.id, self._new[name].created_ms, _HASTENED)
        self._made = frozenset(made)


class PartnerHooks:
    """The webhooks in SuperIMAP's form of all workspaces."""

    names = tuple(KINDS)

    def __init__(
        self,
        database: Database,
        ids: IdSource,
        clock: Clock,
        sealer: Sealer,
        allow_private: tuple[Network, ...] = (),
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._allow_private = allow_private

    async def urls(self, workspace_id: int) -> dict[str, str]:
        """Return the addresses that are set, by the names of KINDS."""
        rows = await self._database.read(lambda conn: webhooks.endpoints_of(conn, workspace_id))
        return {name: row.url for name, row in _hooks(rows).items()}

    def prepare(self, workspace_id: int, urls: Mapping[str, str]) -> HookChange:
        """Check addresses by the names of KINDS, empty: none any more. Raises WrongInput."""
        rows, secrets = {}, {}
        for name, url in urls.items():
            problem = url_problem(url, self._allow_private) if url else None
            if problem:
                raise WrongInput(name, f"{name}: {problem}", code="invalid_url")
            rows[name], secrets[name] = self._new(workspace_id, name, url)
        return HookChange(workspace_id, dict(urls), rows, secrets)

    def _new(self, workspace_id: int, name: str, url: str) -> tuple[WebhookEndpointRow, str]:
        return new_endpoint(
            self._sealer,
            self._ids.next(),
            workspace_id,
            self._clock.now_ms(),
            url=url,
            description=name,
            kinds=_kinds_text(name),
            form=EndpointForm.SUPERIMAP,
        )


def _hooks(rows: list[WebhookEndpointRow]) -> dict[str, WebhookEndpointRow]:
    names = {_kinds_text(name): name for name in KINDS}
    return {names[row.kinds]: row for row in rows if row.form == EndpointForm.SUPERIMAP and row.kinds in names}


def _kinds_text(name: str) -> str:
    return kinds_text([KINDS[name].value])
