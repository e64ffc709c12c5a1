"""Repairs as faces ask for them: each step is done by the command line in a program of its own.

So nothing that speaks to AWS is loaded here. What a person was shown is kept until it is applied: that plan, and no
other, goes to the program.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.agents.auditing.accounts import environ_of
from app.agents.auditing.aws.named import remembered_accounts
from app.domain.errors import CannotError, UsageError
from app.domain.repairs import RepairOutcome, RepairPlan, SettingChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.agents.auditing.accounts import Secrets
    from app.agents.auditing.aws.named import NamedAccount
    from app.domain.commands import ApplyRepair, PlanRepair, RollBackRepair
    from app.engine.processes import ProcessRunner

LONGEST_S = 600.0
"""How long a step may take: S3 may need minutes until what was set can be read."""
_LARGEST = 16 << 20
_HEAD = 3
"""Lines of a unified diff before its content."""
_KEPT = 100
"""Plans that are remembered."""


class Repairs:
    """It.

    Args:
        folder: Where the accounts' folders lie.
        command: The command line up to the words behind `watchkeeper`.
        runner: Starts programs.
        environ: The environment of those programs.
        secrets: Gives keys of the vault.
        given: The variable that says whose keys of the vault are in a program's environment.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        runner: ProcessRunner,
        environ: Mapping[str, str],
        secrets: Secrets,
        given: str,
    ) -> None:
        self._folder = folder
        self._command = command
        self._runner = runner
        self._environ = environ
        self._secrets = secrets
        self._given = given
        self._plans: dict[tuple[str, str], tuple[str, str]] = {}
        self._turn = asyncio.Lock()

    async def plan(self, asked: PlanRepair) -> RepairPlan:
        """Return what would be done.

        Raises:
            UsageError: There is no such finding.
            CannotError: There is no repair for it, or it cannot be planned.
        """
        words = [
            f"--{name}={value}" for name, value in (("logs-to", asked.logs_to), ("kms-key", asked.kms_key)) if value
        ]
        told = await self._run(asked.project, asked.fingerprint, *words)
        plan = _plan(told)
        self._plans.pop((asked.project, asked.fingerprint), None)
        self._plans[asked.project, asked.fingerprint] = (plan.digest, json.dumps(told["plan"]))
        while len(self._plans) > _KEPT:
            del self._plans[next(iter(self._plans))]
        return plan

    async def apply(self, asked: ApplyRepair) -> RepairOutcome:
        """Do what a plan says, and return what came of it.

        Raises:
            UsageError: It is not the plan that was made last.
            CannotError: It failed; says what was done.
        """
        digest, text = self._plans.get((asked.project, asked.fingerprint), ("", ""))
        if not digest or digest != asked.digest:
            raise UsageError("This plan is not there any more. Nothing was changed.", "Look at the plan once more.")
        file = await asyncio.to_thread(_written, Path(asked.project), text)
        try:
            told = await self._run(asked.project, asked.fingerprint, "--apply", "--yes", f"--plan={file}")
        finally:
            with suppress(OSError):
                file.unlink()
        return RepairOutcome(bool(told["state"]), str(told["state"] or ""), tuple(map(str, told["journal"])))

    async def roll_back(self, asked: RollBackRepair) -> RepairOutcome:
        """Put back what was before, and return what came of it.

        Raises:
            UsageError: No repair of the finding is kept.
            CannotError: It failed; says what was done.
        """
        told = await self._run(asked.project, asked.fingerprint, "--rollback", "--yes")
        return RepairOutcome(bool(told["restored"]), str(told["state"]), tuple(map(str, told["journal"])))

    async def _run(self, root: str, fingerprint: str, *words: str) -> Mapping[str, Any]:
        account = await asyncio.to_thread(self._account, root)
        argv = [*self._command, "audit", "fix", fingerprint, f"--account={account.name}", *words, "--json"]
        own = await environ_of(account, self._secrets)
        if own:
            own[self._given] = account.of_vault
        environ = {name: value for name, value in {**self._environ, **own}.items() if value is not None}
        start = self._runner.start(argv, cwd=Path(root), env=environ, output_cap=_LARGEST)
        async with self._turn, start as process:
            try:
                async with asyncio.timeout(LONGEST_S):
                    ended = await process.wait()
            except TimeoutError:
                raise CannotError(
                    f"The repair did not end within {LONGEST_S:g} s.",
                    f"See how far it came: watchkeeper audit fix {fingerprint[:12]}",
                ) from None
        return _document(ended.output.decode("utf-8", "replace"))

    def _account(self, root: str) -> NamedAccount:
        known = {str(path): account for path, account in remembered_accounts(self._folder)}
        if root not in known:
            raise UsageError(f"{root} is no AWS account that was audited.", "Audit it first.")
        return known[root]


def _written(root: Path, text: str) -> Path:
    """Write a plan into a file that only its person may read. Blocks.

    Raises:
        CannotError: That is not possible.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix="plan-", suffix=".tmp", dir=root)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CannotError(
            f"The plan cannot be written in {root}: {error.strerror or error}. Nothing was changed.",
            "Look whether the disk is full.",
        ) from error
    return Path(name)


def _document(output: str) -> Mapping[str, Any]:
    """Return the document that the program printed, whatever stands before it.

    Raises:
        CannotError: It told of an error, or nothing that can be read.
    """
    _, brace, rest = f"\n{output}".partition("\n{\n")
    try:
        told = json.loads(brace + rest)
    except (ValueError, RecursionError):
        said = output.strip().rpartition("\n")[2][:200]
        raise CannotError(
            f"The repair's program ended without an answer. {said}".strip(), "The log says more."
        ) from None
    error = told.get("error")
    if error is not None:
        raise CannotError(str(error["message"]), str(error["hint"]))
    found: Mapping[str, Any] = told
    return found


def _plan(told: Mapping[str, Any]) -> RepairPlan:
    plan = told["plan"]
    return RepairPlan(
        str(plan["digest"]),
        str(plan["title"]),
        f"{told['place']} in {plan['place']['region']}",
        tuple(
            SettingChange(str(each["setting"]), tuple(_line(str(line)) for line in each["lines"][_HEAD:]))
            for each in told["diff"]
        ),
        tuple(
            f"{each['service']} {each['operation']}\n{json.dumps(each['parameters'], indent=2)}"
            for each in plan["calls"]
        ),
        tuple(map(str, plan["touches"])),
    )


def _line(line: str) -> str:
    return f"{line[0]}(nothing is set)" if line[1:] == "null" else line
