"""Each rule that can be repaired has its remedy, and what must be named is asked for."""

from __future__ import annotations

import pytest

from app.agents.auditing.aws.remedy.catalogue import REPAIRABLE, remedy_for
from app.agents.auditing.aws.remedy.errors import NotPossible
from app.agents.auditing.aws.s3.rules import RULES


@pytest.mark.parametrize("rule", sorted(REPAIRABLE))
def test_each_repairable_rule_exists_and_has_its_remedy(rule: str) -> None:
    """The remedy for a rule says that it is for this rule, and the rule is one of the scanner's."""
    remedy = remedy_for(rule, key="" if rule == "s3-default-encryption" else "alias/shop", target="logs")

    assert remedy.rule == rule
    assert rule in {each.id for each in RULES}


def test_with_a_key_the_default_encryption_is_by_that_key() -> None:
    """A key that is named is used whichever of the two rules is to be satisfied."""
    remedy = remedy_for("s3-default-encryption", key="alias/shop")

    assert remedy.rule == "s3-kms-encryption"


@pytest.mark.parametrize("rule", ["s3-access-logging", "s3-kms-encryption", "s3-object-lock", "no-such-rule"])
def test_what_is_missing_is_told(rule: str) -> None:
    """Without a target, without a key, or without a remedy, the reason is told."""
    with pytest.raises(NotPossible) as caught:
        remedy_for(rule)

    assert caught.value.hint


def test_the_rules_say_which_of_them_can_be_repaired() -> None:
    """Those for which there is a remedy, and no others."""
    assert {each.id for each in RULES if each.can_repair} == REPAIRABLE
