"""What a test says that lacks a program of the system."""

from __future__ import annotations

import sys

import pytest

from tests.system.needed import needed


def test_a_missing_program_fails_by_its_name() -> None:
    """A test that was skipped would show nothing, and nobody would know."""
    with pytest.raises(pytest.fail.Exception, match="no-such-reader is missing"):
        needed("no-such-reader")

    assert needed(sys.executable) == sys.executable
