"""All checks, in the running server or without one.

The running server looks at itself: its settings and rights are what counts,
not those of who asks. Where none runs, or it says nothing, the same is looked
at from here, as far as it can be opened.
"""

import asyncio
from typing import Any

from postroom.app.check.certificate import check_certificate, utc
from postroom.app.check.clock import check_synchronised
from postroom.app.check.findings import Finding, fail, ok, warn
from postroom.app.check.fitting import check_settings
from postroom.app.check.folder import check_folder
from postroom.app.check.mailboxes import check_mailboxes
from postroom.app.check.names import check_domains, check_names
from postroom.app.check.ports import check_bindable, check_outside, check_reachable, hint_outside
from postroom.app.check.store import check_store
from postroom.app.control import call_control, control_path
from postroom.app.master_keys import master_keys
from postroom.app.services import Services, open_services
from postroom.base.clock import Clock, SystemClock
from postroom.base.errors import PostroomError, SettingsError, TryLater, WrongInput
from postroom.base.secrets import Sealer
from postroom.config import Settings
from postroom.outbound.transport import TransportKind, parse_transport
from postroom.store.data_folder import FolderInUse
from postroom.store.secrets import WrongMasterKey, check_master_key

_ANSWER_SECONDS = 120.0


async def check_installation(settings: Settings, outside: str) -> list[dict[str, Any]]:
    """Return all findings. `outside` is a domain whose mail host may be dialled, or empty."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            found: list[dict[str, Any]] = await call_control(control_path(settings.data), "check", {"outside": outside})
            return found
    except (FileNotFoundError, ConnectionRefusedError):
        alone = await _alone(settings, outside)
    except (TimeoutError, ConnectionError):
        remedy = "look into its log; a second SIGTERM ends it"
        alone = [*_of_machine(settings, SystemClock()), fail("server", "it runs and does not answer", remedy)]
    return [one.to_json() for one in alone]


async def check_running(services: Services, outside: str) -> list[Finding]:
    """Return all findings about the server that these services belong to."""
    machine = await services.slow.run(lambda: _of_machine(services.settings, services.clock))
    return [
        ok("server", "it runs"),
        *machine,
        *await check_reachable(services.settings),
        *await _of_services(services, outside),
    ]


async def _alone(settings: Settings, outside: str) -> list[Finding]:
    clock = SystemClock()
    if not settings.data.is_dir():
        remedy = "`postroom init` makes it; or set POSTROOM_DATA to the right one"
        return [fail("folder", f"the data folder {settings.data} does not exist", remedy)]
    here = [ok("server", "none runs on this data folder"), *_of_machine(settings, clock), *check_bindable(settings)]
    if any(one.area == "key" and one.verdict == "fail" and "missing" in one.found for one in here):
        # Opening would make a new key, which fits nothing.
        return here
    try:
        async with open_services(settings, clock) as services:
            return [*here, *await _of_services(services, outside)]
    except FolderInUse as error:
        return [fail("server", str(error), "it may be starting or stopping: repeat this in a moment")]
    except WrongMasterKey as error:
        return [*here, fail("key", str(error), "put the right key back")]
    except TryLater as error:
        return [*here, fail("database", str(error), "start the database server, or correct POSTROOM_DATABASE_URL")]
    except PostroomError as error:
        return [*here, fail("settings", str(error), "correct it")]


def _of_machine(settings: Settings, clock: Clock) -> list[Finding]:
    try:
        kind = parse_transport(settings.transport).kind
    except WrongInput as error:
        return [fail("settings", f"POSTROOM_TRANSPORT: {error}", "correct it")]
    return [
        *check_settings(settings, kind),
        *check_folder(settings),
        *check_synchronised(),
        *check_certificate(settings, utc(clock.now_ms())),
    ]


async def _of_services(services: Services, outside: str) -> list[Finding]:
    found = [await _key(services), *await check_store(services), *await check_names(services)]
    found += [*await check_domains(services), *await check_mailboxes(services)]
    if outside:
        found.append(await check_outside(services.resolver, services.settings, outside))
    elif services.default_transport.kind is TransportKind.DIRECT:
        found.append(hint_outside())
    return found


async def _key(services: Services) -> Finding:
    """Open the canary with the key that the next start would use."""
    settings = services.settings
    if not settings.secret and not (settings.data / "secret.key").exists():
        return fail("key", "the key of the next start is missing", "put secret.key back before you restart")
    try:
        keys = master_keys(settings)
        sealer = Sealer(*keys)
        now = services.clock.now_ms()
        await services.database.write(lambda tx: check_master_key(tx, sealer, now))
    except (WrongMasterKey, SettingsError) as error:
        return fail("key", str(error), "put the right key back before you restart")
    except TryLater as error:
        return fail("key", f"it could not be tried: {error}", "see the lines about the database")
    if len(keys) > 1:
        shown = f"the {len(keys)} master keys open what this database has sealed"
        return warn("key", shown, "`postroom key rotate`, then --finish, takes the older out")
    return ok("key", "the master key opens what this database has sealed")
