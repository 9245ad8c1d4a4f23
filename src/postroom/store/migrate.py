"""Which version the tables have to have.

Each source brings its database up to date before anything else uses it.
Migrations go forward only and run as one transaction (`store.upgrade`). A
database whose version is unknown was written by a newer Postroom and is
refused. On PostgreSQL a row lock lets one of several starting nodes do the
work while the others wait.
"""

HEAD = "0009"
"""The newest version, known without loading Alembic; a test holds that it is."""
