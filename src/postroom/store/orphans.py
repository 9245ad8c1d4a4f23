"""Which rows are left of something that is deleted."""

from postroom.store.statement import Statement, statement


def orphans(key: str, table: str, owner: str, *, of: str = "") -> Statement:
    """Return the statement for up to `?` values of an indexed column that are no id of the table `owner`.

    It goes by the index from each value to the next: a query for each of thousands takes longer than a read may.
    `of` is what an owner `o` must be beside, such as `o.state = 'active'`.
    """
    condition = f" AND {of}" if of else ""
    return statement(
        f"WITH RECURSIVE one(id) AS (SELECT min({key}) FROM {table} UNION ALL "
        f"SELECT (SELECT min(t.{key}) FROM {table} t WHERE t.{key} > one.id) FROM one WHERE one.id IS NOT NULL) "
        f"SELECT id FROM one WHERE id IS NOT NULL "
        f"AND NOT EXISTS (SELECT 1 FROM {owner} o WHERE o.id = one.id{condition}) LIMIT ?"
    )
