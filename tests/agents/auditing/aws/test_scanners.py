"""A scanner is imported when it is wanted, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.agents.auditing.aws.scanners import for_rules, rules_of, scanners

ROOT = Path(__file__).parents[4]
CHILD = """
import sys
from app.agents.auditing.aws.audit import audit_accounts
from app.agents.auditing.aws.scale.workplace import Workplace
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.target import Target

workplace = Workplace()
told = audit_accounts([Target("a")], ["ec2-open-ports"], executor=InProcess(workplace), workplace=workplace)
print(*(each for each in ("s3", "iam", "ec2") if f"app.agents.auditing.aws.{each}.scanner" in sys.modules))
"""


def test_an_audit_imports_the_scanners_that_its_rules_are_of() -> None:
    """Those of other services stay where they are."""
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["ec2"]


def test_the_scanners_are_a_mapping() -> None:
    """Each is made once, and one that is not there is missing as in any other."""
    found = scanners()

    assert list(found) == ["s3", "iam", "ec2"]
    assert len(found) == 3
    assert "kendra" not in found
    assert found["s3"] is found["s3"]
    with pytest.raises(KeyError):
        found["kendra"]


def test_each_rule_is_found_by_its_name() -> None:
    """It begins with its service, and what is no rule of any service is passed over."""
    known = rules_of(scanners())

    assert {rule: next(iter(for_rules(scanners(), [rule]))) for rule in known} == {
        rule.id: scanner.service for scanner in scanners().values() for rule in scanner.rules
    }
    assert for_rules(scanners(), ["kendra-index", "", "s3"]).keys() == {"s3"}
