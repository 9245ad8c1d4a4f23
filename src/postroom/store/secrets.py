"""Table `secret`: the canary that refuses a wrong master key, and the ring of token keys."""

from postroom.base.clock import HOUR_MS
from postroom.base.errors import PostroomError
from postroom.base.secrets import CannotOpen, Sealer
from postroom.base.tokens import TokenKeys
from postroom.store.database import Conn, Tx, statement
from postroom.store.token_ring import TOKEN_KEY, key_id, open_ring, sealed_for

_CANARY = "canary"
_CANARY_VALUE = b"postroom"
_MOST_TOKEN_KEYS = 256
TOKEN_KEY_RESTS_MS = HOUR_MS // 6
"""So long a new token key signs nothing: what it signed would be refused where it is not known yet."""

_BY_NAME = statement("SELECT sealed FROM secret WHERE name = ?")
_MAKE = statement("INSERT INTO secret (name, sealed, created_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
_TOKEN_KEYS = statement(
    "SELECT name, sealed, created_ms FROM secret WHERE name >= 'token_key/' AND name < 'token_key0' ORDER BY name"
)


class WrongMasterKey(PostroomError):
    """POSTROOM_SECRET (or data/secret.key) is not the key that this database was made with."""


def check_master_key(tx: Tx, sealer: Sealer, now_ms: int) -> None:
    """Open the canary, making it in a new database. Raises WrongMasterKey."""
    sealed = sealer.seal(_CANARY_VALUE, sealed_for(_CANARY))
    tx.run(_MAKE, (_CANARY, sealed, now_ms))
    found = bytes(tx.run(_BY_NAME, (_CANARY,))[0][0])
    try:
        opened = sealer.open(found, sealed_for(_CANARY))
    except CannotOpen as error:
        raise WrongMasterKey(
            "POSTROOM_SECRET (or data/secret.key) is not the key of this database: put the right one back"
        ) from error
    if opened != _CANARY_VALUE:
        raise WrongMasterKey("the canary of the database holds something else: the database was changed by hand")


def is_master_key(sealer: Sealer, sealed_canary: bytes) -> bool:
    """Tell whether a canary was sealed with this key."""
    try:
        return sealer.open(sealed_canary, sealed_for(_CANARY)) == _CANARY_VALUE
    except CannotOpen:
        return False


def load_token_keys(reader: Conn | Tx, sealer: Sealer, now_ms: int) -> TokenKeys | None:
    """Return the ring, or None where there is no key yet. Raises CannotOpen.

    A node reads it again every few seconds: another one may have added a key, and a new one may sign by now.
    """
    rows = _rows(reader)
    return _ring(rows, sealer, now_ms) if rows else None


def sealed_token_keys(reader: Conn | Tx) -> list[tuple[str, bytes]]:
    """Return the sealed keys by the names of their rows, for `store.token_ring`."""
    return [(name, sealed) for name, sealed, _ in _rows(reader)]


def first_token_key(tx: Tx, sealer: Sealer, key: bytes, now_ms: int) -> TokenKeys:
    """Return the ring, with `key` as its first where there is none. Of two nodes that try at once one wins."""
    if not _rows(tx):
        _store(tx, sealer, 0, key, now_ms)
    return _ring(_rows(tx), sealer, now_ms)


def add_token_key(tx: Tx, sealer: Sealer, key: bytes, now_ms: int) -> int:
    """Add a key and return its id; new messages use it TOKEN_KEY_RESTS_MS later.

    Raises PostroomError when all 256 ids are used: none can be taken away
    while a mail that carries its tokens may be opened.
    """
    number = max((key_id(name) for name, _, _ in _rows(tx)), default=-1) + 1
    if number >= _MOST_TOKEN_KEYS:
        raise PostroomError("all 256 token keys are used")
    _store(tx, sealer, number, key, now_ms)
    return number


def _rows(reader: Conn | Tx) -> list[tuple[str, bytes, int]]:
    rows = reader.run(_TOKEN_KEYS) if isinstance(reader, Tx) else reader.all(_TOKEN_KEYS)
    return [(name, bytes(sealed), created_ms) for name, sealed, created_ms in rows]


def _ring(rows: list[tuple[str, bytes, int]], sealer: Sealer, now_ms: int) -> TokenKeys:
    keys = open_ring(((name, sealed) for name, sealed, _ in rows), sealer)
    rested = [key_id(name) for name, _, created_ms in rows if created_ms + TOKEN_KEY_RESTS_MS <= now_ms]
    return TokenKeys(keys, max(rested, default=min(keys)))


def _store(tx: Tx, sealer: Sealer, number: int, key: bytes, now_ms: int) -> None:
    name = f"{TOKEN_KEY}{number}"
    tx.run(_MAKE, (name, sealer.seal(key, sealed_for(name)), now_ms))
