"""The audit of Amazon S3: what is known of buckets and of the account, and the rules that judge it."""

from __future__ import annotations

from app.agents.auditing.aws.s3.rules import DEFAULT_RULES, RULES
from app.agents.auditing.aws.s3.scanner import S3Scanner

__all__ = ["DEFAULT_RULES", "RULES", "S3Scanner"]
