"""Postgres: batched writes, disk spool, migrations, queries."""
