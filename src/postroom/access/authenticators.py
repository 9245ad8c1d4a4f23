"""The second factor of an operator: setting an authenticator up, recovery codes, taking it away."""

import base64
import binascii
from dataclasses import dataclass

from postroom.access import audit, totp
from postroom.access.audit import Actor
from postroom.access.login import totp_row
from postroom.base.clock import Clock
from postroom.base.errors import WrongInput
from postroom.base.ids import IdSource
from postroom.base.secrets import CannotOpen, Sealer, secret_hash
from postroom.ledger.operator_rows import OperatorRow, RecoveryCodeRow
from postroom.store import operators
from postroom.store.database import Database, Tx


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret that an operator is about to take into an authenticator; nothing is stored yet."""

    secret: str
    """As base32, to type in."""
    address: str
    """The otpauth:// address of the QR code."""
    sealed: str
    """What the form carries until a code proves that the authenticator has the secret."""


class Authenticators:
    """The authenticators of all operators."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock, sealer: Sealer, host: str) -> None:
        """`host` stands in the authenticator beside the operator's name."""
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._host = host

    def offer(self, row: OperatorRow) -> Offer:
        """Return a new secret."""
        return self._offer(row, totp.new_secret())

    def same_offer(self, row: OperatorRow, sealed: str) -> Offer:
        """Return an offer again. Raises WrongInput for what is none of this operator's."""
        try:
            secret = self._sealer.open(base64.urlsafe_b64decode(sealed.encode("ascii", "replace")), _offer_row(row))
        except (binascii.Error, CannotOpen) as error:
            raise WrongInput("code", "this offer is not yours; begin again") from error
        return self._offer(row, secret.decode(), sealed)

    async def confirm(self, row: OperatorRow, sealed: str, code: str, by: Actor) -> list[str]:
        """Store the secret where the code is right, and return new recovery codes: the only time. Raises WrongInput."""
        secret, now = self.same_offer(row, sealed).secret, self._clock.now_ms()
        step = totp.step_of(secret, code, now, 0)
        if step is None:
            raise WrongInput("code", "this code is wrong; is the clock of your telephone right?")
        codes, note_id = totp.new_recovery_codes(), self._ids.next()
        rows = self._rows(row, codes)
        stored = self._sealer.seal(secret.encode(), totp_row(row.id))

        def write(tx: Tx) -> None:
            operators.set_totp(tx, row.id, stored, step)
            operators.add_recovery_codes(tx, rows)
            audit.note(tx, note_id, now, by, "totp.on", subject=row.name)

        await self._database.write(write)
        return codes

    async def new_codes(self, row: OperatorRow, by: Actor) -> list[str]:
        """Put new recovery codes in the place of the old ones, and return them: the only time."""
        if row.totp_secret is None:
            raise WrongInput("", "there is no authenticator; recovery codes come with one")
        codes, note_id, now = totp.new_recovery_codes(), self._ids.next(), self._clock.now_ms()
        rows = self._rows(row, codes)

        def write(tx: Tx) -> None:
            operators.add_recovery_codes(tx, rows)
            audit.note(tx, note_id, now, by, "totp.codes", subject=row.name)

        await self._database.write(write)
        return codes

    async def codes_left(self, row: OperatorRow) -> int:
        """Return how many recovery codes are unused."""
        return await self._database.read(lambda conn: operators.recovery_codes_left(conn, row.id))

    async def remove(self, row: OperatorRow, by: Actor) -> None:
        """Take authenticator and recovery codes away: from now on the password is enough."""
        note_id, now = self._ids.next(), self._clock.now_ms()

        def write(tx: Tx) -> None:
            operators.set_totp(tx, row.id, None, 0)
            operators.delete_recovery_codes(tx, row.id)
            audit.note(tx, note_id, now, by, "totp.off", subject=row.name)

        await self._database.write(write)

    def _offer(self, row: OperatorRow, secret: str, sealed: str = "") -> Offer:
        if not sealed:
            sealed = base64.urlsafe_b64encode(self._sealer.seal(secret.encode(), _offer_row(row))).decode()
        return Offer(secret, totp.address_of(secret, row.name, self._host), sealed)

    def _rows(self, row: OperatorRow, codes: list[str]) -> list[RecoveryCodeRow]:
        return [RecoveryCodeRow(self._ids.next(), row.id, secret_hash(code.replace("-", ""))) for code in codes]


def _offer_row(row: OperatorRow) -> str:
    return f"operator/{row.id}/totp_offer"
