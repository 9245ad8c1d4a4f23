"""A SQLite database with all tables: a copy of one that was migrated once in this process, which takes longer."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from postroom.store.sqlite_source import migrate_sqlite


def sqlite_url(folder: Path) -> str:
    """Return the URL of a fresh database in `folder`."""
    path = folder / "postroom.db"
    shutil.copy(_template(), path)
    return f"sqlite:///{path}"


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="postroom-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate_sqlite(folder / "postroom.db")
    return folder / "postroom.db"
