"""The history: what was run, how each test ended, and what changed it, kept across restarts.

`app.store.history` is the face: it imports neither SQLAlchemy nor Alembic, which cost hundreds of milliseconds. All
that touches them is imported by the writer thread (`app.store.writer`) or by the doctor (`app.store.doctor`).
"""
