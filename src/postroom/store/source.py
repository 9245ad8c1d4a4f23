"""Where the database is: the URL, read once, and what each engine makes of it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from postroom.base.errors import SettingsError
from postroom.store import jobs, reader
from postroom.store.transaction import Engine


@dataclass(frozen=True, slots=True)
class Source:
    """How to reach one database."""

    engine: Engine
    prepare: Callable[[], None]
    """Makes the database and brings its tables up to date."""
    writer: Callable[[], jobs.Session]
    reader: Callable[[], reader.Session]
    readers: int
    """How many reader threads are worth having."""
    errors: tuple[type[Exception], ...]
    """What the driver raises where the database cannot be reached."""


def source_of(url: str) -> Source:
    """Read POSTROOM_DATABASE_URL. Raises SettingsError."""
    scheme, _, rest = url.partition("://")
    engine = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}.get(scheme)
    if engine is None or (engine == "sqlite" and (not rest.startswith("/") or rest == "/")):
        raise SettingsError("POSTROOM_DATABASE_URL: expected sqlite:///PATH or postgresql://USER@HOST/NAME")
    # By name, so that a process holds the driver of its own engine only: psycopg and its dialect take 9 MB.
    module = importlib.import_module(f"postroom.store.{engine}_source")
    make = cast("Callable[[str], Source]", getattr(module, f"{engine}_source"))
    return make(url)
