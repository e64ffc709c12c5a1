"""How much of a project its tests execute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.coverage import Coverage, FileCoverage

files = st.integers(0, 50).flatmap(
    lambda statements: st.builds(
        FileCoverage,
        st.text(max_size=5),
        st.just(statements),
        st.sets(st.integers(1, 99), max_size=statements).map(sorted).map(tuple),
    )
)


@pytest.mark.parametrize(
    ("statements", "missing", "percent"), [(0, (), 100.0), (4, (), 100.0), (4, (7,), 75.0), (2, (1, 2), 0.0)]
)
def test_a_file_without_statements_is_covered(statements: int, missing: tuple[int, ...], percent: float) -> None:
    """Nothing is left to execute in it."""
    assert FileCoverage("a.py", statements, missing).percent == percent


@given(st.lists(files, max_size=6).map(tuple))
def test_the_whole_lies_between_its_files(found: tuple[FileCoverage, ...]) -> None:
    """Weighed by statements, no total is better than the best file or worse than the worst."""
    percents = [file.percent for file in found if file.statements] or [100.0]

    assert min(percents) - 1e-9 <= Coverage(found).percent <= max(percents) + 1e-9
