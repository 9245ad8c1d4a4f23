"""What Alembic runs: the migrations, inside the transaction that `store.migrate` has begun."""

from alembic import context

from postroom.store import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.metadata,
    transactional_ddl=True,
    include_name=lambda name, kind, parents: not (kind == "table" and name == "migration_lock"),
)
with context.begin_transaction():
    context.run_migrations()
