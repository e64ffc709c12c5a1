"""Applies a plan from a file in a process of its own, so that it can be killed half-way.

Its arguments: the folder for the state file, and the file of the plan.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.backend import Patience, backend
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.remedy.apply import apply
from app.agents.auditing.aws.remedy.plan import plan_of
from app.engine.clock import SystemClock


async def main(folder: Path, text: str) -> None:
    """Apply the plan."""
    plan = plan_of(json.loads(text))
    made = backend()
    patience = Patience(attempts=1)
    async with AsyncClientManager(made, endpoint_url="http://aws.test", patience=patience) as clients:
        account = Account(plan.place.account, GivenKeys(Keys("AKIAOFTHETESTS", "secret")))
        context = AuditContext(account, plan.place.region, clients)
        await apply(plan, context, shown=plan.digest, folder=folder, clock=SystemClock())
    made.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]).read_text()))
