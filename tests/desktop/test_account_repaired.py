"""An AWS account audited and repaired as people have it: from the menu's program, in the window, with a second yes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from kit.waiting import until

from tests.agents.auditing.aws.accounts import moto_server
from tests.agents.auditing.aws.denying import Denying

if TYPE_CHECKING:
    from kit.notifications import Dunst, NotificationMonitor
    from kit.program import Program
    from kit.project import Project
    from kit.reader import ScreenReader
    from kit.screen import Screen

KEYS = {"aws_access_key_id": "AKIAOFTHETESTS", "aws_secret_access_key": "canary-of-the-profile"}
TABS = 7
"""From the search field over filters, findings and what is said of one to its button Repair."""
SETTINGS = """
[audits.aws]
accounts = ["production"]
endpoint = "http://aws.test"
regions = ["us-east-1"]
"""


async def test_what_is_open_is_told_shown_and_repaired(
    program: Program,
    project: Project,
    *,
    notifications: NotificationMonitor,
    dunst: Dunst,
    reader: ScreenReader,
    screen: Screen,
) -> None:
    """A notification names the account, Open shows the bucket, and Apply needs a second yes before AWS is changed."""
    with moto_server() as moto, Denying(moto) as proxy:
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=moto, **KEYS)
        s3.create_bucket(Bucket="shop")
        s3.put_bucket_acl(Bucket="shop", ACL="public-read")
        _set_up(program, proxy.url)
        program.start(str(project.root))
        await program.until_mood("green")
        root = str(program.home / "data" / "aws" / "production")
        await until(lambda: root in (program.snapshot() or {}).get("audits", {}), "the account is known")

        await _audit(program, root)
        told = await notifications.until_count(1)
        dunst.press("Open")
        await screen.until_window("Watchkeeper")
        await reader.until_seen("AWS account production (123456789012)")
        await reader.until_seen("arn:aws:s3:::shop")

        screen.screenshot("account")
        screen.key("ctrl+f", *"acl", *["Tab"] * TABS, "space")
        await reader.until_seen("Nothing was changed yet")
        screen.screenshot("repair-planned")
        screen.key("space")
        await reader.until_seen("This changes your AWS account")
        before = _is_public(s3)
        screen.key("shift+Tab", "space")
        await reader.until_seen("Done, and read again")
        screen.screenshot("repair-applied")

        assert (before, _is_public(s3)) == (True, False)
        assert "AWS production" in told.title
        assert "AWS production" in program.run("status").stdout
        assert not [path for path in program.home.rglob("*") if path.is_file() and b"canary-of" in path.read_bytes()]
        s3.close()


def _is_public(s3: Any) -> bool:
    grants = s3.get_bucket_acl(Bucket="shop")["Grants"]
    return any("AllUsers" in each["Grantee"].get("URI", "") for each in grants)


def _set_up(program: Program, proxy: str) -> None:
    folder = program.home
    (folder / "config").write_text("[profile production]\nregion = us-east-1\n", encoding="utf-8")
    keys = "\n".join(f"{name} = {value}" for name, value in KEYS.items())
    # beside the home, whose files are searched for the key
    credentials = folder.parent / "credentials"
    credentials.write_text(f"[production]\n{keys}\n", encoding="utf-8")
    settings = folder / "settings" / "settings.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + SETTINGS, encoding="utf-8")
    program.environ |= {
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": proxy,
        "NO_PROXY": "127.0.0.1",
    }


async def _audit(program: Program, root: str) -> None:
    from app.control.client import ControlClient  # noqa: PLC0415 - as the kit does
    from app.domain.commands import StartAudit  # noqa: PLC0415 - likewise
    from app.engine.places import Places  # noqa: PLC0415 - likewise

    with ControlClient(Places.find(program.environ)) as client:
        client.send(StartAudit(project=root))

    def ended() -> Any:
        view = (program.snapshot() or {}).get("audits", {}).get(root, {})
        return view.get("verdict") if not view.get("running") else None

    assert await until(ended, "the audit of the account", 60) == "fail", json.dumps(program.snapshot())
