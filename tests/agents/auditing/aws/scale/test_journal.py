"""What is kept of an audit: resumed after a kill, torn lines passed over, other plans never mixed in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.audit import Progress, audit_accounts, plan_of
from app.agents.auditing.aws.scale.documents import Loss, Lost, Result
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.scale.journal import FRESH_S, Journal
from app.agents.auditing.aws.shape import Judgement
from app.agents.auditing.aws.target import Target
from app.domain.findings import AuditVerdict
from tests.agents.auditing.aws.denying import DENIED, NOTHING
from tests.agents.auditing.aws.scale.audits import S3_RULES, TARGET, audited

if TYPE_CHECKING:
    from app.agents.auditing.aws.scale.workplace import Workplace
    from tests.agents.auditing.aws.denying import Denying

PLAN, OTHER = "a" * 24, "b" * 24
DONE = Result("u1", (Judgement("r", "arn", "1", "", AuditVerdict.PASS, "so"),), 1.0, {"s3:GetBucketAcl": 1})
ROOT = Path(__file__).parents[5]
CHILD = """
import asyncio, sys
from pathlib import Path
from app.agents.auditing.aws.audit import Progress, audit_accounts
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.scale.workplace import Workplace
from tests.agents.auditing.aws.scale.audits import S3_RULES, TARGET

async def main():
    done = 0
    async with Workplace() as workplace:
        async for each in audit_accounts(
            [TARGET], S3_RULES, executor=InProcess(workplace, 1), workplace=workplace, journals=Path(sys.argv[1])
        ):
            if isinstance(each, Progress) and each.done > done:
                done = each.done
                print(done, flush=True)

asyncio.run(main())
"""


def lines_in(folder: Path) -> list[str]:
    """Return what is kept there."""
    return [line for path in folder.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]


def killed_after_two(folder: Path) -> list[bytes]:
    """Have a child audit, kill it when it has told of two units, and return what it told."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ}
    ) as child:
        assert child.stdout is not None
        done = [child.stdout.readline(), child.stdout.readline()]
        child.send_signal(signal.SIGKILL)
        done += child.stdout.readlines()
        return done


async def kept(folder: Path, plan: str = PLAN, **more: Any) -> Journal:
    """Return a journal that is read."""
    journal = Journal(folder, plan, **more)
    await journal.read()
    return journal


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
async def test_an_audit_that_is_killed_is_resumed(
    workplace: Workplace, proxy: Denying, whole: list[Judgement], tmp_path: Path
) -> None:
    """A real child is killed in its third unit: only what is left is done, and all is told as if nothing had been."""
    regions: dict[str, int] = {}
    proxy.answers["s3:GetBucketAcl"] = NOTHING
    # one unit after another: the account, which has no ACL, then the buckets of one region, then those of the next
    proxy.when = lambda asked: regions.setdefault(asked.region, len(regions)) > 0
    told = await asyncio.to_thread(killed_after_two, tmp_path)
    (first,) = [region for region, number in regions.items() if number == 0]
    proxy.answers.clear()
    proxy.asked.clear()

    resumed, after = await audited(executor=InProcess(workplace), workplace=workplace, journals=tmp_path)

    assert told == [b"1\n", b"2\n"]
    assert resumed == whole
    assert after[TARGET.account].resumed == 2
    assert after[TARGET.account].done == after[TARGET.account].total > 2
    assert first not in {each.region for each in proxy.asked if each.operation == "s3:GetBucketAcl"}
    assert lines_in(tmp_path) == []


async def test_what_came_to_nothing_is_done_again(workplace: Workplace, whole: list[Judgement], tmp_path: Path) -> None:
    """An audit without time keeps what was done, and the next one does the rest."""
    audit = audit_accounts([TARGET], S3_RULES, executor=InProcess(workplace, 1), workplace=workplace, journals=tmp_path)
    async with aclosing(audit):
        async for each in audit:
            if isinstance(each, Progress) and each.done == 2:
                break

    resumed, after = await audited(executor=InProcess(workplace), workplace=workplace, journals=tmp_path)

    assert resumed == whole
    assert after[TARGET.account].resumed == 2


async def test_an_account_that_was_not_entered_keeps_the_journal(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...], tmp_path: Path
) -> None:
    """The audit is not whole: what was done of the others is not done again."""
    del buckets
    other = Target("444455556666", role="arn:aws:iam::444455556666:role/audit", endpoint_url=TARGET.endpoint_url)
    proxy.answers["sts:AssumeRole"] = DENIED
    proxy.when = lambda asked: "444455556666" in asked.body
    await audited([TARGET, other], executor=InProcess(workplace), workplace=workplace, journals=tmp_path)
    proxy.answers.clear()

    _, progress = await audited([TARGET, other], executor=InProcess(workplace), workplace=workplace, journals=tmp_path)

    assert progress[TARGET.account].resumed == progress[TARGET.account].total > 1
    assert lines_in(tmp_path) == []


async def test_a_unit_that_is_done_is_found_again(tmp_path: Path) -> None:
    """By its id and its content; with other content it is another."""
    await Journal(tmp_path / "new", PLAN).add("u1", "c1", DONE)

    journal = await kept(tmp_path / "new")

    assert journal.result("u1", "c1") == DONE
    assert journal.result("u1", "c2") is None
    assert journal.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [1, 2, 40, -1])
async def test_a_torn_last_line_is_passed_over(cut: int, tmp_path: Path) -> None:
    """And what is added after it is not lost with it."""
    journal = Journal(tmp_path, PLAN)
    await journal.add("u1", "c1", DONE)
    await journal.add("u2", "c2", DONE)
    first = journal.path.read_bytes().index(b"\n") + 1
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[: first + cut] if cut > 0 else whole[:-2])

    torn = await kept(tmp_path)
    await torn.add("u3", "c3", DONE)
    again = await kept(tmp_path)

    assert (torn.result("u1", "c1"), torn.result("u2", "c2")) == (DONE, None)
    assert [again.result(f"u{number}", f"c{number}") for number in (1, 2, 3)] == [DONE, None, DONE]


async def test_units_of_another_plan_are_not_mixed_in(tmp_path: Path) -> None:
    """Each plan has its file, and a line of another one in it does not count."""
    await Journal(tmp_path, OTHER).add("u1", "c1", DONE)
    mine, theirs = Journal(tmp_path, PLAN), Journal(tmp_path, OTHER)
    mine.path.write_bytes(theirs.path.read_bytes())

    assert await mine.read() == 0
    assert await theirs.read() == 1


@pytest.mark.parametrize(
    "line", [b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"plan": "%s", "at": "x"}' % PLAN.encode(), b""]
)
async def test_what_is_no_line_is_passed_over(line: bytes, tmp_path: Path) -> None:
    """Whatever stands there."""
    journal = Journal(tmp_path, PLAN)
    await journal.add("u1", "c1", DONE)
    journal.path.write_bytes(line + b"\n" + journal.path.read_bytes() + line + b"\n")

    assert await journal.read() == 1


async def test_what_is_old_is_done_again(tmp_path: Path, fake_clock: Any) -> None:
    """After some hours an account is another one; a line from the future is none of ours."""
    journal = Journal(tmp_path, PLAN, clock=fake_clock)
    await journal.add("u1", "c1", DONE)
    now = fake_clock.wall()

    counts = []
    for at in (now + FRESH_S - 1, now + FRESH_S + 1, now - 60):
        fake_clock.set_wall(at)
        counts.append(await journal.read())

    assert counts == [1, 0, 0]


async def test_what_failed_is_not_kept(tmp_path: Path) -> None:
    """It is done again."""
    await Journal(tmp_path, PLAN).add("u1", "c1", Result("u1", error=Loss(Lost.WORKER, "lost")))

    assert (await kept(tmp_path)).result("u1", "c1") is None


async def test_a_disk_that_takes_nothing_does_not_end_the_audit(tmp_path: Path) -> None:
    """Where a file is in the folder's place, nothing is kept and nothing raised."""
    (tmp_path / "journals").write_text("in the way")
    journal = Journal(tmp_path / "journals", PLAN)

    await journal.add("u1", "c1", DONE)

    assert await journal.read() == 0


def test_a_plan_is_what_is_looked_at() -> None:
    """Other rules or other accounts are another plan; their order is none."""
    other = Target("playground")

    assert plan_of([TARGET, other], ["a", "b"]) == plan_of([other, TARGET], ["b", "a"])
    assert len({plan_of([TARGET], ["a"]), plan_of([other], ["a"]), plan_of([TARGET], ["b"])}) == 3
    assert Journal(Path("x"), plan_of([TARGET], ["a"]))


def test_a_plan_is_no_path() -> None:
    """It becomes a file's name."""
    with pytest.raises(ValueError, match="24 hexadecimal"):
        Journal(Path("x"), "../../etc/passwd")


async def test_the_journal_holds_no_keys(workplace: Workplace, buckets: tuple[str, ...], tmp_path: Path) -> None:
    """Neither those of the machine nor those of the role."""
    del buckets
    audit = audit_accounts([TARGET], S3_RULES, executor=InProcess(workplace), workplace=workplace, journals=tmp_path)
    async with aclosing(audit):
        async for each in audit:
            if isinstance(each, Progress) and each.done:
                break
    account = (await workplace.context(TARGET.access, TARGET.account)).account
    keys = await account.credentials.keys()

    lines = lines_in(tmp_path)

    text = "".join(lines)
    assert json.loads(lines[0])["plan"] == plan_of([TARGET], S3_RULES)
    assert not any(each in text for each in (keys.access_key, keys.secret_key, keys.token, "the-secret-of-the-machine"))
