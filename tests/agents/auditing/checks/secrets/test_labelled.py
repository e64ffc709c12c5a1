"""How well the rules tell secrets from what only looks so, on the half of the set that they were not tuned on."""

from __future__ import annotations

from pathlib import Path

from app.agents.auditing.checks.secrets.rules import own_rules
from app.agents.auditing.checks.secrets.scanner import Scanner
from tests.agents.auditing.checks.secrets.labelled import samples as labelled

ALL = labelled.samples()
HELD_OUT = [sample for sample in ALL if sample.held_out]
SCANNER = Scanner(own_rules())


def is_found(sample: labelled.Sample) -> bool:
    return bool(SCANNER.scan(sample.text.encode() + b"\n", sample.path).hits)


def test_the_set_is_large_and_its_halves_are_even() -> None:
    """A measure over few samples says nothing."""
    assert len({sample.id for sample in ALL}) == len(ALL) >= 300
    assert 0.4 < len(HELD_OUT) / len(ALL) < 0.6
    assert min(sum(sample.secret is kind for sample in HELD_OUT) for kind in (True, False)) > 100


def test_secrets_are_found() -> None:
    """Of the held-out secrets at least 97 of 100 are found."""
    secrets = [sample for sample in HELD_OUT if sample.secret]

    found = sum(map(is_found, secrets))

    assert found / len(secrets) >= 0.97


def test_what_is_no_secret_is_left_alone() -> None:
    """Of the held-out texts without a secret at most 2 of 100 are taken for one."""
    clean = [sample for sample in HELD_OUT if not sample.secret]

    found = sum(map(is_found, clean))

    assert found / len(clean) <= 0.02


def test_the_set_itself_holds_no_secret() -> None:
    """Its file sets off nothing: keys are drawn when tests run."""
    text = Path(labelled.__file__).with_name("samples.txt").read_bytes()

    assert SCANNER.scan(text, "samples.txt").hits == ()


def test_there_are_many_kinds() -> None:
    """At least forty kinds are known for sure, by their own form."""
    assert sum(not rule.guess for rule in own_rules().rules) >= 40


def test_every_rule_finds_something() -> None:
    """A rule that finds nothing in the whole set is dead or untested."""
    found = {hit.rule.id for sample in ALL for hit in SCANNER.scan(sample.text.encode() + b"\n", sample.path).hits}

    assert {rule.id for rule in own_rules().rules} - found == set()
