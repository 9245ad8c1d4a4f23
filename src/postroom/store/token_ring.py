"""The form of token keys in table `secret`; apart from `store.secrets`, for who reads them without the store."""

from collections.abc import Iterable

from postroom.base.secrets import Sealer

TOKEN_KEY = "token_key/"  # noqa: S105 - the beginning of a row's name


def sealed_for(name: str) -> str:
    """Return what the value of a row of this name is sealed for."""
    return f"secret/{name}"


def key_id(name: str) -> int:
    """Return which key a row of this name is."""
    return int(name.removeprefix(TOKEN_KEY))


def open_ring(rows: Iterable[tuple[str, bytes]], sealer: Sealer) -> dict[int, bytes]:
    """Return the keys by their ids. Raises CannotOpen."""
    return {key_id(name): sealer.open(sealed, sealed_for(name)) for name, sealed in rows}
