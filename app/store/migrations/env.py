"""Run by Alembic for each command: takes the connection that `app.store.migrate` put into the configuration."""

from __future__ import annotations

from alembic import context

from app.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes most things of a table only by copying it
    # Alembic assumes that SQLite has no transactions for DDL; it has, with the driver's own handling switched off.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
