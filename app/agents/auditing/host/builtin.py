"""The checks that come with Watchkeeper, by id, in the order in which they are told; each is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.agents.auditing.plugin import Check


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Where a check is.

    Attributes:
        title: Its name for people, the same that the class has.
        place: `module:class`, the module below `app.agents.auditing.checks`.
        deadline_s: The same that the class has.
        of_accounts: Whether it looks at an account of a cloud; else it looks at the code of a project.
    """

    title: str
    place: str
    deadline_s: float = 120.0
    of_accounts: bool = False

    def load(self) -> Check:
        """Import the check and make it."""
        module, _, name = self.place.partition(":")
        made: Check = getattr(import_module(f"app.agents.auditing.checks.{module}"), name)()
        return made


REVIEW = "review"
"""The one check that runs in Watchkeeper's own program, where the models' keys are: app.agents.auditing.review."""

ACCOUNT_S = 4 * 3600.0
"""How long one service of an account may take: what is done until then counts, and is not done again next time."""

BUILT_IN = {
    "claims": BuiltIn("Claims of the marker", "claims.check:Claims"),
    "tests": BuiltIn("Tests and coverage", "tested:Tested"),
    "leftovers": BuiltIn("Leftovers and loosened tests", "leftovers.check:Leftovers"),
    "secrets": BuiltIn("Secrets", "secrets.check:Secrets"),
    "security": BuiltIn("Static security", "security:Security"),
    "dependencies": BuiltIn("Vulnerable dependencies", "dependencies.check:Dependencies"),
    "s3": BuiltIn("S3", "aws:S3", ACCOUNT_S, of_accounts=True),
    "iam": BuiltIn("IAM", "aws:IAM", ACCOUNT_S, of_accounts=True),
    "ec2": BuiltIn("EC2", "aws:EC2", ACCOUNT_S, of_accounts=True),
}
