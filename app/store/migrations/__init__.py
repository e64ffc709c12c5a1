"""Alembic's environment, configured in code by `app.store.migrate`: there is no alembic.ini."""
