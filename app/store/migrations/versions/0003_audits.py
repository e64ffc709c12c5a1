"""Audits, and what each of them found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Spelled out, not taken from the domain: a migration must do the same for ever.
SEVERITIES = ("info", "low", "medium", "high", "critical")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("audit", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("trigger_kind", sa.Text(), nullable=False),
        sa.Column("trigger_words", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("only_checks", sa.Text(), nullable=False),
        sa.Column("new_findings", sa.Integer(), nullable=False),
        sa.Column("fixed_findings", sa.Integer(), nullable=False),
        sa.Column("muted_findings", sa.Integer(), nullable=False),
        *(sa.Column(severity, sa.Integer(), nullable=False) for severity in SEVERITIES),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_audits_project_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_audits"),
        sa.UniqueConstraint("audit", name="uq_audits_audit"),
    )
    op.create_index("ix_audits_project_id", "audits", ["project_id", "started_at", "id"])
    op.create_table(
        "audit_findings",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name="fk_audit_findings_audit_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("audit_id", "seq", name="pk_audit_findings"),
    )
    op.create_index("ix_audit_findings_fingerprint", "audit_findings", ["fingerprint", "audit_id"])


def downgrade() -> None:
    """Drop the tables, and with them the history of audits."""
    for table in ("audit_findings", "audits"):
        op.drop_table(table)
