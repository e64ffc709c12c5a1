"""A real project, a real break in a large change, real pytest: what matters reaches the model."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.ai.failures.facts import FailureFacts
from app.ai.failures.local import explain_locally
from app.ai.failures.prompt import build_prompt
from app.ai.failures.sources import Sources
from app.domain.analysis import SourceDiff
from app.domain.failures import fingerprint, read_failure
from app.domain.verdicts import Cause, CauseKind, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakePrivacy

RATES = """RATES = {"book": 7, "toy": 19}


def rate_of(kind):
    return RATES[kind]
"""
PRICE = """from shop.rates import rate_of


class Price:
    def __init__(self, net, kind):
        self.net = net
        self.kind = kind

    def tax(self):
        return self.net * rate_of(self.kind) // 100

    def gross(self):
        return self.net + self.tax()
"""
CART = """from shop.price import Price


class Cart:
    def __init__(self):
        self.prices = []

    def add(self, net, kind):
        self.prices.append(Price(net, kind))

    def total(self):
        return sum(price.gross() for price in self.prices)
"""
TEST = """from shop.cart import Cart


def test_total():
    for n in range(300):
        print(f"noise {n}: nothing to see here")
    cart = Cart()
    cart.add(100, "book")
    assert cart.total() == 107
"""


def run(root: Path, *command: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(root), "GIT_CONFIG_GLOBAL": os.devnull, "PYTEST_ADDOPTS": ""}
    environ |= {f"GIT_{who}_{what}": "x@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=50)
    return done.stdout


def module(number: int, remark: str) -> str:
    return (
        "\n\n".join(f"def helper_{number}_{n}(value):\n    {remark}\n    return value * {n}" for n in range(30)) + "\n"
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A project in git, its tests green, and then changed in twelve files: one operator of one line is wrong."""
    root = tmp_path / "shop-project"
    files = {"shop/rates.py": RATES, "shop/price.py": PRICE, "shop/cart.py": CART, "tests/test_cart.py": TEST}
    files |= {f"shop/other_{n}.py": module(n, "# old remark") for n in range(10)}
    files |= {"shop/__init__.py": "", "docs/index.rst": "\n".join(f"Line {n}" for n in range(200))}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    run(root, "git", "init", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-q", "-m", "green")
    for n in range(10):
        (root / f"shop/other_{n}.py").write_text(module(n, "value = value + 0"), encoding="utf-8")
    (root / "docs/index.rst").write_text("\n".join(f"Row {n}" for n in range(200)), encoding="utf-8")
    (root / "shop/price.py").write_text(
        PRICE.replace("self.net + self.tax()", "self.net - self.tax()"), encoding="utf-8"
    )
    return root


def facts_of(root: Path, style: str) -> FailureFacts:
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--tb={style}", "tests")
    output = run(root, *pytest_).partition("test_total ____")[2].partition("\n")[2].partition("\n=====")[0]
    diff = run(root, "git", "diff", "HEAD")
    return FailureFacts(
        root=root,
        nodeid="tests/test_cart.py::test_total",
        outcome=Outcome.FAILED,
        output=output,
        cause=Cause(CauseKind.SAVE, ("shop/price.py",)),
        diff=SourceDiff("the last commit", diff),
        now=1000.0,
    )


@pytest.mark.parametrize("style", ["long", "short", "native"])
def test_a_wrong_operator_is_told(broken: Path, make_privacy: MakePrivacy, style: str) -> None:
    """The function that is wrong is in no frame, and its change is one line of 900: it is told, and first."""
    facts = facts_of(broken, style)
    sources = Sources(broken)

    local = explain_locally(facts, sources)
    prompt = build_prompt(
        facts,
        local,
        sources=sources,
        privacy=make_privacy(root=broken),
        budget_tokens=4000,
        language="English",
        nonce="8f3kq2",
    )

    data = prompt.messages[1].content
    assert facts.diff.text.count("\n") > 900
    assert (local.suspects[0].path, local.suspects[0].line) == ("shop/price.py", 13)
    assert prompt.tokens <= 4000
    assert "assert 93 == 107" in data
    assert "-        return self.net + self.tax()\n+        return self.net - self.tax()" in data
    assert "self.net - self.tax()" in data.partition("helper_")[0]
    assert "noise 299" in data


def test_all_styles_are_one_failure(broken: Path) -> None:
    """Whatever style of traceback a project has, the exception, the message and the place are the same."""
    facts = [facts_of(broken, style) for style in ("long", "short", "native")]

    prints = {fingerprint(read_failure(each.output, nodeid=each.nodeid), each.nodeid) for each in facts}

    assert len(prints) == 1
