"""Taking a mail where no server runs, at once: it is decided by a look into an SQLite file, and waits as a file.

An MTA starts this for every mail, so it loads neither the store nor an event loop. On PostgreSQL the look is
into the copy that this host's server left, as long as that can be believed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path

from postroom.base.errors import PostroomError
from postroom.base.instant import HOUR_MS, machine_now_ms
from postroom.base.tokens import TokenKeys
from postroom.config import Settings
from postroom.inbound.arrived import FOLDER, Arrived, keep
from postroom.inbound.recipients import NO_SUCH_ADDRESS, Addressed, OwnHosts, Recipients
from postroom.inbound.refusal import refusal
from postroom.inbound.route_rules import RouteRules
from postroom.mail.address import domain_of
from postroom.mail.smtp_reply import SmtpReply
from postroom.store.sqlite_look import RCPT_COPY, CopyLook, SqliteLook

_Judged = tuple[Addressed, ...] | SmtpReply

KEPT = SmtpReply(250, "2.0.0", "kept for the server, which takes it in when it starts")
_TAKES_MS = HOUR_MS
"""So long after a server last found its copy true mail is taken by it: that waits for a server that is back soon."""
_REFUSES_MS = HOUR_MS // 60
"""So long mail is refused by it, which cannot be undone: another node may have made the address since."""


class _Owners:
    def __init__(self, owners: Mapping[str, int]) -> None:
        self._owners = owners

    def owners(self) -> Mapping[str, int]:
        return self._owners


def take(
    settings: Settings,
    reverse_path: str,
    to: Sequence[Sequence[str]],
    first: bytes,
    second: bytes | None,
    rest: Iterator[bytes],
) -> SmtpReply | None:
    """Keep a mail for the server, or say why it is not taken, as the running server would.

    None where only PostgreSQL can tell; nothing was taken from `rest` then. `to` has the forms of each
    recipient; all are taken or none. `first` and `second` are the first blocks of the mail, `rest` the others. Raises
    PostroomError and OSError where it cannot be decided or kept now, and what `rest` raises.
    """

    def judge(look: SqliteLook) -> _Judged:
        decided = _decide(settings, look, reverse_path, to)
        if isinstance(decided, SmtpReply):
            return decided
        if (why := refusal(first, settings.hostname.lower(), is_whole=second is None)) is not None:
            return why
        return decided if any(_is_known(look, one) for one in decided) else NO_SUCH_ADDRESS

    if settings.database.startswith("sqlite:"):
        with SqliteLook(Path(settings.database.removeprefix("sqlite:///"))) as look:
            judged: _Judged | None = judge(look)
    else:
        judged = _by_copy(settings.data / RCPT_COPY, judge)
    if judged is None or isinstance(judged, SmtpReply):
        return judged
    blocks: Iterable[bytes] = (first,) if second is None else chain((first, second), rest)
    keep(settings.data / FOLDER, Arrived(machine_now_ms(), reverse_path, judged), blocks)
    return KEPT


def _by_copy(path: Path, judge: Callable[[SqliteLook], _Judged]) -> _Judged | None:
    try:
        age_ms = abs(machine_now_ms() - path.stat().st_mtime_ns // 1_000_000)
        if age_ms > _TAKES_MS:
            return None
        with CopyLook(path) as look:
            judged = judge(look)
    except (PostroomError, OSError):
        # Whatever is wrong with a copy, the database has it right.
        return None
    return None if isinstance(judged, SmtpReply) and age_ms > _REFUSES_MS else judged


def _decide(settings: Settings, look: SqliteLook, reverse_path: str, to: Sequence[Sequence[str]]) -> _Judged:
    owners = _Owners(look.owners(_domains(to)))
    recipients = Recipients(
        OwnHosts(settings.hostname.lower(), settings.return_path_host),
        owners,
        _token_keys(settings, look),
        machine_now_ms,
        give_up_after=settings.give_up_days,
        first_workspace=look.first_workspace,
        routes=RouteRules(owners, look.routes_of(sorted(set(owners.owners().values())))),
    )
    found = []
    for forms in to:
        one = recipients.decide_forms(forms, reverse_path)
        if isinstance(one, SmtpReply):
            return one
        found.append(one)
    return tuple(found)


def _domains(to: Sequence[Sequence[str]]) -> set[str]:
    """Return the domains that `Recipients` may ask for."""
    # No domain that is stored is beyond ASCII, and half a character from a command line is no parameter of SQLite's.
    named = {name for forms in to for form in forms if (name := domain_of(form)).isascii()}
    return named | {name.removeprefix("rp.") for name in named}


def _token_keys(settings: Settings, look: SqliteLook) -> Callable[[], TokenKeys]:
    """Return what opens the token keys: only where a machine address is asked about, because that takes its time."""
    keys: list[TokenKeys] = []

    def opened() -> TokenKeys:
        if not keys:
            unsealing = import_module("postroom.app.unsealing")
            keys.append(unsealing.token_keys(settings, look.token_keys()))
        return keys[0]

    return opened


def _is_known(look: SqliteLook, one: Addressed) -> bool:
    return one.workspace_id is not None or look.has_recipient(one.own_recipient_id or 0)


def check_folder(settings: Settings) -> None:
    """Raise PostroomError unless the data folder is one of ours: a wrong one would swallow the mail."""
    if not settings.data.is_dir() or not (settings.secret or (settings.data / "secret.key").exists()):
        raise PostroomError(f"no server runs on {settings.data}, and it is no data folder: set POSTROOM_DATA")
