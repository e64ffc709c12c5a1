"""What stands behind `audit aws` and `audit fix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser

FORMS = ("text", "json", "sarif", "html", "md")
SEVERITIES = ("info", "low", "medium", "high", "critical", "never")
SERVICES = ("s3", "iam", "ec2")


def audit_aws(parser: ArgumentParser) -> None:
    """Declare the arguments of `audit aws`."""
    parser.add_argument(
        "accounts",
        metavar="ACCOUNT",
        nargs="*",
        help="a profile, the ARN of a role to assume, or keys:NAME for keys of the vault; default: audits.aws.accounts",
    )
    parser.add_argument("--service", nargs="+", choices=SERVICES, default=[], help="these alone; default: all")
    parser.add_argument(
        "--regions",
        metavar="REGION",
        nargs="+",
        default=[],
        help="default: audits.aws.regions, or all that are enabled",
    )
    parser.add_argument("--endpoint-url", metavar="URL", default="", help="another address than that of AWS")
    parser.add_argument(
        "--scheduler", metavar="URL", default="", help="a scheduler of Dask whose workers do the work: tls://host:port"
    )
    parser.add_argument(
        "--format", choices=FORMS, help="the report's form; default: as the name behind --output ends, else text"
    )
    parser.add_argument("--output", metavar="FILE", help="write the report into this file")
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=SEVERITIES,
        default="high",
        help="exit with 1 for findings of this severity and above, known ones too; default: high",
    )
    parser.add_argument("--mute", metavar="FINDING", help="be silent about this finding; with --reason")
    parser.add_argument("--reason", metavar="TEXT", help="with --mute: why")
    parser.add_argument("--days", metavar="N", type=int, help="with --mute: for so many days; default: for good")
    parser.add_argument("--unmute", metavar="FINDING", help="tell of this finding again")
    parser.add_argument("--mutes", action="store_true", help="list what is muted")


def audit_fix(parser: ArgumentParser) -> None:
    """Declare the arguments of `audit fix`."""
    parser.add_argument("finding", metavar="FINDING", help="its digits, as the report tells them")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--apply", action="store_true", help="do what the plan says, once you have agreed to it")
    what.add_argument("--rollback", action="store_true", help="put back what was before a repair")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--account", metavar="ACCOUNT", default="", help="where several accounts have such a finding")
    parser.add_argument(
        "--logs-to", metavar="BUCKET", default="", help="for access logging: the bucket that takes the logs"
    )
    parser.add_argument("--kms-key", metavar="ID", default="", help="for encryption by KMS: the key, by its ARN")
    parser.add_argument(
        "--keep-named",
        action="store_true",
        help="for a public ACL: whom it names keeps what they have, besides the public",
    )
    parser.add_argument(
        "--force", action="store_true", help="with --rollback: even if somebody has changed it since; that is kept too"
    )
    parser.add_argument("--plan", metavar="FILE", help="with --apply: this plan, as --json has shown it, and no other")
