"""The plugins of the environment that the tests run in: a pytest that a test starts seldom needs them."""

from __future__ import annotations

WITHOUT_PLUGINS = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
"""Set by the conftest of all tests in their short form, for every pytest that they start.

To load pytest-qt, Hypothesis and the rest is two thirds of a small run's time. A test that needs them takes it away.
"""
