"""A unified diff is read in its hunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ai.failures.hunks import hunks_of

MANY = r"""diff --git a/a.py b/a.py
index 1234567..89abcde 100644
--- a/a.py
+++ b/a.py
@@ -1,3 +1,3 @@ def f():
 one
--- a minus line
+++ a plus line
 two
@@ -10,3 +10,2 @@
 ten
-gone
 twelve
diff --git a/old.py b/old.py
deleted file mode 100644
--- a/old.py
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
\ No newline at end of file
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+a
diff --git a/x.png b/x.png
Binary files a/x.png and b/x.png differ
diff --git "a/\321\204.py" "b/\321\204.py"
--- "a/\321\204.py"
+++ "b/\321\204.py"
@@ -1 +1 @@
-a
+b
"""


def test_hunks_are_read() -> None:
    """Each hunk has its file, its lines' numbers as they are now, and the numbers of what changed."""
    hunks = hunks_of(MANY)

    assert [(hunk.path, hunk.first, hunk.last, hunk.changed, hunk.within, hunk.is_deleted) for hunk in hunks] == [
        ("a.py", 1, 3, (2,), "def f():", False),
        ("a.py", 10, 11, (11,), "", False),
        ("old.py", 1, 1, (1,), "", True),
        ("new.py", 1, 1, (1,), "", False),
        ("x.png", 0, 0, (), "", False),
        ("\u0444.py", 1, 1, (1,), "", False),
    ]
    assert hunks[0].lines[2:4] == ("--- a minus line", "+++ a plus line")


def test_a_diff_that_breaks_off_is_read() -> None:
    """Of a diff that was cut, what is there counts."""
    cut = MANY[: MANY.index("++ a plus")]

    assert hunks_of(cut)[0].lines == ("@@ -1,3 +1,3 @@ def f():", " one", "--- a minus line", "+")


def test_paths_without_prefixes_are_read() -> None:
    """A diff that names files without `a/` and `b/` is read too."""
    hunks = hunks_of("--- src/a.py\t2026-01-01\n+++ src/a.py\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n")

    assert [hunk.path for hunk in hunks] == ["src/a.py"]


@given(st.lists(st.sampled_from([*MANY.splitlines(), "", "@@ -1,9 +1,9 @@", "junk"]), max_size=40))
def test_any_lines_are_read(lines: list[str]) -> None:
    """Whatever a diff holds, reading it raises nothing, and numbers stay within the hunk."""
    for hunk in hunks_of("\n".join(lines)):
        assert all(hunk.first <= number <= hunk.last for number in hunk.changed)
