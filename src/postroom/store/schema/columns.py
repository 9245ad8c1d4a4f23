"""The kinds of columns that tables are made of."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "pk": "%(table_name)s_pkey",
    }
)

BIG = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit integer. SQLite's INTEGER has 64 bits, and only this word makes a primary key its rowid."""


def id_column(name: str = "id") -> Column[int]:
    """Return a primary key that the caller fills."""
    return Column(name, BIG, primary_key=True, autoincrement=False)


def big(name: str, *, default: int | None = None) -> Column[int]:
    """Return a BIGINT column that is never null."""
    return Column(name, BIG, nullable=False, server_default=None if default is None else text(str(default)))


def big_or_null(name: str) -> Column[int]:
    """Return a BIGINT column that may be null."""
    return Column(name, BIG, nullable=True)


def small(name: str, *, default: int | None = None) -> Column[int]:
    """Return a small number or a truth value, never null."""
    return Column(name, Integer, nullable=False, server_default=None if default is None else text(str(default)))


def text_column(name: str, *, default: str | None = None) -> Column[str]:
    """Return a text column that is never null."""
    return Column(name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'"))


def blob(name: str) -> Column[bytes]:
    """Return a column of bytes that is never null."""
    return Column(name, LargeBinary, nullable=False)


def blob_or_null(name: str) -> Column[bytes]:
    """Return a column of bytes that may be null."""
    return Column(name, LargeBinary, nullable=True)


def workspace_fk() -> Column[int]:
    """Return the column that names the workspace a row belongs to."""
    # Only small tables carry a foreign key: on the others each insert would pay for looking it up.
    return Column("workspace_id", BIG, ForeignKey("workspace.id"), nullable=False)
