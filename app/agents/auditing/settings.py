"""What a person may set of audits."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.agents.auditing.aws.named import is_account_name
from app.agents.auditing.host.builtin import REVIEW
from app.engine.settings import Section

MARKERS = ("*_COMPLETE.md", "*_COMPLETION_REPORT.md", "PHASE_*.md", "MILESTONE_*.md")


def _is_moment(text: str) -> str:
    hours, colon, minutes = text.partition(":")
    is_number = hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2  # noqa: PLR2004 - 06:30
    if text and not (colon and is_number and int(hours) < 24 and int(minutes) < 60):  # noqa: PLR2004 - of a day
        raise ValueError("a time of day such as 18:30, or nothing")
    return text


Moment = Annotated[str, AfterValidator(_is_moment)]


def _is_name_pattern(text: str) -> str:
    # `[` alone is a bracket that never closes, and with a folder in it no name of a file is ever like it
    if not text.strip() or "/" in text or "\\" in text or _OPEN.search(text):
        raise ValueError("the name of a file, without folders, such as *_COMPLETE.md")
    return text


def _is_word(text: str) -> str:
    if not text.strip() or text.startswith('["'):
        raise ValueError("a word of a commit's message, such as [MILESTONE]")
    return text


_OPEN = re.compile(r"\[(?![!^]?.[^\]]*\])")
NamePattern = Annotated[str, AfterValidator(_is_name_pattern)]
Word = Annotated[str, AfterValidator(_is_word)]


def _is_account(text: str) -> str:
    if not is_account_name(text):
        raise ValueError("a profile, the ARN of a role such as arn:aws:iam::111122223333:role/Audit, or keys:NAME")
    return text


AccountName = Annotated[str, AfterValidator(_is_account)]


class SecretsSettings(Section):
    """The section `[audits.secrets]`."""

    commits: int = Field(default=200, ge=0, le=100_000, description="Commits that are looked through, the last ones")


class DependenciesSettings(Section):
    """The section `[audits.dependencies]`."""

    osv: str = Field(default="https://api.osv.dev", description="The server of the OSV database that is asked")
    database: str = Field(default="", description="OSV records, a folder or archive, asked instead; empty: none")


class CoverageSettings(Section):
    """The section `[audits.coverage]`."""

    threshold: float = Field(
        default=80.0, ge=0, le=100, description="An audit begins when the coverage in per cent crosses it; 0 for never"
    )
    floor: float = Field(default=0.0, ge=0, le=100, description="Less coverage than that is a finding; 0 for none")


class ReviewSettings(Section):
    """The section `[audits.review]`."""

    enabled: bool = Field(
        default=False, description="Have what changed reviewed by a model, where you agreed that source is sent to it"
    )
    tokens: int = Field(
        default=30_000, ge=1_000, le=1_000_000, description="Tokens that one review may send; more is left unreviewed"
    )


class AWSSettings(Section):
    """The section `[audits.aws]`."""

    accounts: tuple[AccountName, ...] = Field(
        default=(),
        description="AWS accounts to audit: a profile, the ARN of a role to assume, or keys:NAME for keys of the vault",
    )
    regions: tuple[str, ...] = Field(default=(), description="Regions to look at; none for all that are enabled")
    rules: tuple[str, ...] = Field(default=(), description="Rules that are only told when they are wanted, by id")
    external_id: str = Field(default="", description="What the trust policies of the roles ask for")
    endpoint: str = Field(default="", description="Another address than that of AWS, as of a service like S3")
    daily: Moment = Field(default="", description="Audit them each day at this time, such as 06:30; empty for never")
    scheduler: str = Field(
        default="", description="A scheduler of Dask whose workers do the work, tls://host:port; empty: this machine"
    )
    scheduler_ca: str = Field(default="", description="For tls: the certificate of the authority, a file")
    scheduler_certificate: str = Field(default="", description="For tls: the certificate of this side, a file")
    scheduler_key: str = Field(default="", description="For tls: the key of this side, a file")


class AuditSettings(Section):
    """The section `[audits]`."""

    enabled: bool = Field(default=True, description="Audit a project by itself when its work is declared finished")
    markers: tuple[NamePattern, ...] = Field(
        default=MARKERS, description="Names of files that declare work finished; each content is audited once"
    )
    milestones: tuple[Word, ...] = Field(
        default=("[MILESTONE]", "[CHECKPOINT]"), description="Words in a commit's message that declare work finished"
    )
    tags: bool = Field(default=True, description="Audit when a tag is made")
    daily: Moment = Field(default="", description="Audit each day at this time, such as 18:30; empty for never")
    quiet_from: Moment = Field(default="", description="No audit begins by itself from this time on, such as 22:00")
    quiet_to: Moment = Field(default="", description="and until this time, such as 07:00")
    off: tuple[str, ...] = Field(default=(), description="Checks that are left out, by name")
    notify: Literal["info", "low", "medium", "high", "critical", "never"] = Field(
        default="high", description="Tell on the desktop of new findings of this severity and above"
    )
    answer: bool = Field(
        default=True, description="Write the answer beside a marker: NAME.audit.md, and NAME.audit.json for programs"
    )
    coverage: CoverageSettings = CoverageSettings()
    secrets: SecretsSettings = SecretsSettings()
    dependencies: DependenciesSettings = DependenciesSettings()
    review: ReviewSettings = ReviewSettings()
    aws: AWSSettings = AWSSettings()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the checks that are left out unless they are asked for by name."""
        return self.off if self.review.enabled else (*self.off, REVIEW)

    def options(self) -> dict[str, dict[str, object]]:
        """Return each check's settings, by its id."""
        return {
            "secrets": self.secrets.model_dump(),
            "dependencies": self.dependencies.model_dump(),
            "tests": {"coverage_floor": self.coverage.floor or None},
        }
