"""Projects, runs, tests, results, outputs and transitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out, not taken from the domain: a migration must do the same for ever.
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "crashed", "hung")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("root", name="uq_projects_root"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("cause_kind", sa.Text(), nullable=False),
        sa.Column("cause_paths", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=False, server_default="0"),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False, server_default=""),
        sa.Column("output", sa.Text(), nullable=False, server_default=""),
        *(sa.Column(outcome, sa.Integer(), nullable=False, server_default="0") for outcome in OUTCOMES),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_runs_project_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
    )
    op.create_index("ix_runs_project_id", "runs", ["project_id", "id"])
    op.create_table(
        "tests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("nodeid", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("red", sa.Boolean(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("since_run", sa.Integer(), nullable=False),
        sa.Column("seen_run", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_tests_project_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["since_run"], ["runs.id"], name="fk_tests_since_run"),
        sa.ForeignKeyConstraint(["seen_run"], ["runs.id"], name="fk_tests_seen_run"),
        sa.PrimaryKeyConstraint("id", name="pk_tests"),
        sa.UniqueConstraint("project_id", "nodeid", name="uq_tests_project_id"),
    )
    op.create_table(
        "results",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_results_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "test_id", name="pk_results"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outputs",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_outputs_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "test_id", name="pk_outputs"),
    )
    op.create_index("ix_outputs_test_id", "outputs", ["test_id", "run_id"])
    op.create_table(
        "transitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("broke", sa.JSON(), nullable=False),
        sa.Column("fixed", sa.JSON(), nullable=False),
        sa.Column("gone", sa.JSON(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("recovered", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("still_red", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_transitions_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    )
    op.create_index("ix_transitions_run_id", "transitions", ["run_id"])


def downgrade() -> None:
    """Drop all tables, and with them all history."""
    for table in ("transitions", "outputs", "results", "tests", "runs", "projects"):
        op.drop_table(table)
