"""A small project and what is known of a failure in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from app.ai.failures.facts import FailureFacts
from app.ai.failures.privacy import Privacy
from app.domain.analysis import SourceDiff
from app.domain.verdicts import Cause, CauseKind, Outcome
from app.engine.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICE = '''"""Prices."""


def net(items):
    return sum(items)


def total(items, rate):
    before = net(items)
    return before - before * rate


def parse(text):
    if not text:
        raise ValueError("empty")
    return int(text)
'''
TEST = """from shop.price import parse, total


def test_total():
    assert total([10, 5], 0.2) == 18


def test_parse():
    assert parse("") == 0
"""
DIFF = """diff --git a/README.md b/README.md
index 1234567..89abcde 100644
--- a/README.md
+++ b/README.md
@@ -1,1 +1,1 @@
-The shop
+The total shop
diff --git a/shop/other.py b/shop/other.py
index 1234567..89abcde 100644
--- a/shop/other.py
+++ b/shop/other.py
@@ -1,2 +1,2 @@
-X = 1
+X = 2
 Y = 1
diff --git a/shop/price.py b/shop/price.py
index 1234567..89abcde 100644
--- a/shop/price.py
+++ b/shop/price.py
@@ -8,3 +8,3 @@ def net(items):
 def total(items, rate):
     before = net(items)
-    return before + before * rate
+    return before - before * rate
"""
OUTPUT = """    def test_total():
>       assert total([10, 5], 0.2) == 18
E       assert 12.0 == 18
E        +  where 12.0 = total([10, 5], 0.2)

tests/test_price.py:5: AssertionError
----------------------------- Captured stdout call -----------------------------
computing
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one wrong operator."""
    root = tmp_path / "project"
    for name, text in {
        "shop/price.py": PRICE,
        "shop/other.py": "X = 2\nY = 1\n",
        "tests/test_price.py": TEST,
        "README.md": "The total shop\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def facts(project: Path) -> FailureFacts:
    """Its failure."""
    return FailureFacts(
        root=project,
        nodeid="tests/test_price.py::test_total",
        outcome=Outcome.FAILED,
        output=OUTPUT,
        cause=Cause(CauseKind.SAVE, ("shop/price.py",)),
        diff=SourceDiff("the last green source, 5 minutes ago", DIFF, base_at=700.0),
        since=900.0,
        now=1000.0,
    )


class MakePrivacy(Protocol):
    def __call__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        root: Path | None = None,
        user: str = "ivanov",
        live: str = "",
    ) -> Privacy: ...


@pytest.fixture(scope="session")
def make_privacy() -> MakePrivacy:
    """Make a privacy of a person who is called ivanov, at a machine that is called workbox."""

    def make(
        environ: Mapping[str, str] | None = None, *, root: Path | None = None, user: str = "ivanov", live: str = ""
    ) -> Privacy:
        redactor = Redactor()
        redactor.register(live)
        home = Path("/home/ivanov")
        return Privacy(redactor, home=home, user=user, host="workbox.lan", environ=environ or {}, root=root)

    return make
