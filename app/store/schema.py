"""The tables. What changes here needs a migration; a test compares the two.

Three things are unusual; the first two are reasoned out for 200 runs of 10,000 tests:

- `results` has no index by test. A test's moments are found by its project's runs, at most a few hundred look-ups in
  the primary key, whereas an index by test would write to as many pages as there are tests with every run.
- `results.test_id` is no foreign key, because removing a test would search all results. A test is removed only when no
  run that is kept knows it (`retention`).
- `exchanges.folded` is what is searched: the texts after str.casefold, since SQLite folds the case of ASCII alone.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from app.domain.findings import Severity
from app.domain.verdicts import Outcome

POSTGRES_SCHEMA = "watchkeeper"
"""On PostgreSQL all tables live in a schema of their own, beside whatever else that database holds."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("root", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("run_id", Text, nullable=False, unique=True),
    Column("cause_kind", Text, nullable=False),
    Column("cause_paths", JSON, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("expected", Integer),
    Column("finished_at", Float),  # no end: it goes on; an end without a verdict: it was cut off
    Column("duration_s", Float, nullable=False, server_default="0"),
    Column("verdict", Text),
    Column("message", Text, nullable=False, server_default=""),
    Column("output", Text, nullable=False, server_default=""),
    *(Column(outcome.value, Integer, nullable=False, server_default="0") for outcome in Outcome),
    Index("ix_runs_project_id", "project_id", "id"),
)

tests = Table(
    "tests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("nodeid", Text, nullable=False),
    # The last known state, as app.domain.snapshot.TestState tells it; it outlives the results it came from.
    Column("outcome", Text, nullable=False),
    Column("red", Boolean, nullable=False),
    Column("gone", Boolean, nullable=False, server_default=false()),
    Column("duration_s", Float, nullable=False),
    Column("since", Float, nullable=False),
    Column("since_run", ForeignKey("runs.id"), nullable=False),
    Column("seen_run", ForeignKey("runs.id"), nullable=False),
    UniqueConstraint("project_id", "nodeid"),
)

results = Table(
    "results",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("test_id", Integer, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("duration_s", Float, nullable=False),
    sqlite_with_rowid=False,
)

outputs = Table(
    "outputs",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("test_id", Integer, primary_key=True, autoincrement=False),
    Column("output", Text, nullable=False),
    Index("ix_outputs_test_id", "test_id", "run_id"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("broke", JSON, nullable=False),
    Column("fixed", JSON, nullable=False),
    Column("gone", JSON, nullable=False),
    Column("trouble", Text),
    Column("recovered", Text),
    Column("message", Text, nullable=False),
    Column("still_red", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
)

analyses = Table(
    "analyses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("nodeid", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("cost", Float),
    Column("latency_s", Float, nullable=False),
    Column("answer", JSON, nullable=False),
    Index("ix_analyses_project_id", "project_id", "fingerprint", "id"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("project", Text, nullable=False),  # a root, and no key: it may be of a project that was never watched
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("answer_tokens", Integer, nullable=False),
    Column("cost", Float),
    Column("latency_s", Float, nullable=False),
    Column("is_estimate", Boolean, nullable=False),
    Column("trouble", Text, nullable=False),
)

audits = Table(
    "audits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("audit", Text, nullable=False, unique=True),
    Column("started_at", Float, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("trigger_kind", Text, nullable=False),
    Column("trigger_words", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("head", Text, nullable=False),
    Column("only_checks", Text, nullable=False),  # to which it was limited, with commas between; empty when it was not
    Column("new_findings", Integer, nullable=False),
    Column("fixed_findings", Integer, nullable=False),
    Column("muted_findings", Integer, nullable=False),
    *(Column(severity.value, Integer, nullable=False) for severity in Severity),  # neither muted nor fixed
    Index("ix_audits_project_id", "project_id", "started_at", "id"),
)

audit_findings = Table(
    "audit_findings",
    metadata,
    Column("audit_id", ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", Text, nullable=False),
    Column("check_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Index("ix_audit_findings_fingerprint", "fingerprint", "audit_id"),
)
