"""Opening the token keys without the store: for `postroom receive` where no server runs."""

from collections.abc import Iterable

from postroom.app.master_keys import master_keys
from postroom.base.secrets import Sealer
from postroom.base.tokens import TokenKeys
from postroom.config import Settings
from postroom.store.token_ring import open_ring


def token_keys(settings: Settings, sealed: Iterable[tuple[str, bytes]]) -> TokenKeys:
    """Return the ring. Raises SettingsError and CannotOpen for a master key that is not the right one."""
    return TokenKeys(open_ring(sealed, Sealer(*master_keys(settings))))
