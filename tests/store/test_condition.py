"""What the database says about itself, for `postroom check`."""

from postroom.store.condition import condition
from postroom.store.database import Database
from postroom.store.migrate import HEAD


async def test_the_database_says_what_it_is_and_how_it_keeps_commits(database: Database) -> None:
    found = await database.write(lambda tx: condition(tx, 7))

    assert found.schema == HEAD
    assert found.newest_event_id is None
    if database.engine == "sqlite":
        assert found.now_ms == 7
        assert dict(found.settings) == {
            "journal_mode": "wal",
            "synchronous": "2",
            "foreign_keys": "1",
            "auto_vacuum": "2",
            "mmap_size": "0",
        }
    else:
        assert dict(found.settings).keys() == {"fsync", "full_page_writes", "synchronous_commit"}
