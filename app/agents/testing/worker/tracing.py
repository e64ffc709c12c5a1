"""Which functions each test and each fixture executes."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

from contextlib import contextmanager

from .probes import IS_CHEAP, probe_of
from .touches import Codes, Touched

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .audit import Audit
    from .project import Project
    from .results import Results
    from .touches import Touches


class Tracing:
    """The plugin: gives each test, and each fixture of a wider scope than one test, its share."""

    def __init__(self, pytest: Any, results: Results, project: Project, audit: Audit, touches: Touches) -> None:
        for hook in (
            Tracing.pytest_fixture_setup,
            Tracing.pytest_runtest_call,
            Tracing.pytest_runtest_teardown,
        ):
            pytest.hookimpl(hookwrapper=True, trylast=True)(hook)
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(Tracing.pytest_runtest_protocol)
        self._request = pytest.FixtureRequest
        self._results = results
        self._project = project
        self._touches = touches
        self._codes = Codes(project, results)
        self._probe: Any = probe_of(touches, self._codes, project, audit)
        self._is_started = False
        self._fixtures: dict[int, tuple[Any, Touched]] = {}
        self._stack: list[Touched] = []
        self._last: tuple[str, Touched] = ("", Touched())
        self._is_wide = IS_CHEAP
        self.is_on = False

    def ahead(self, trace: str) -> None:
        """Note what is executed from here on; whether that is told, `begin` says later."""
        if self._probe is not None and not self._is_started and (trace == "all" or (trace == "cheap" and IS_CHEAP)):
            self._is_started = self._probe.start()

    def begin(self, config: Any, trace: str) -> None:
        """Look at all tests from now on, or stop looking."""
        self.ahead(trace)
        self.is_on = self._is_started and trace != "none" and (IS_CHEAP or trace == "all")
        if self.is_on:
            self._look_at(config)
            self._note_uses()
            config.pluginmanager.register(self, "watchkeeper-tracing")
        elif self._probe is not None:
            self._probe.stop()

    def _look_at(self, config: Any) -> None:
        """Look at whole tests, not just at their phases, where the project itself takes part in running them."""
        hooks = ("pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown", "pytest_runtest_makereport")
        for name in (*hooks, "pytest_runtest_protocol", "pytest_pyfunc_call", "pytest_fixture_setup"):
            for implementation in getattr(config.hook, name).get_hookimpls():
                code = getattr(implementation.function, "__code__", None)
                if code is not None and self._project.code_name(code.co_filename):
                    self._is_wide = True

    def _note_uses(self) -> None:
        """Have each request for a fixture noted; pytest has no hook for one that is already set up."""
        original: Any = self._request._get_active_fixturedef  # noqa: SLF001 - see above; the same in pytest 7 to 9
        fixtures, stack = self._fixtures, self._stack

        def noting(request: Any, argname: str) -> Any:
            try:
                fixture = original(request, argname)
            except BaseException:
                # One whose setup failed is not handed over; by its name it may be several.
                for known, touched in fixtures.values():
                    if stack and known.argname == argname:
                        stack[-1].uses.add(touched)
                raise
            found = fixtures.get(id(fixture))
            if found is not None and stack:
                stack[-1].uses.add(found[1])
            return fixture

        self._request._get_active_fixturedef = noting  # noqa: SLF001 - see above

    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        """Give the test its share, and tell it after its end."""
        test = Touched()
        self._stack[:] = [test]
        (self._probe.enter if self._is_wide else self._probe.between)(test)
        try:
            yield
        finally:
            self._probe.between(self._touches.outside)
            del self._stack[:]
            self._last = (item.nodeid, test)
            self._tell(item.nodeid, test)

    def _tell(self, nodeid: str, test: Touched) -> None:
        whole = test.whole()
        self._codes.tell()
        self._results.hold("deps", id=nodeid, **whole.fields())

    @contextmanager
    def again(self, nodeid: str) -> Iterator[None]:
        """Add to the share of the test that ended last, and tell it anew."""
        if not self.is_on:
            yield
            return
        test = self._last[1] if self._last[0] == nodeid else Touched()
        self._stack[:] = [test]
        self._probe.enter(test)
        try:
            yield
        finally:
            self._probe.between(self._touches.outside)
            del self._stack[:]
            self._tell(nodeid, test)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Note what runs meanwhile as outside of tests."""
        if not self.is_on:
            yield
            return
        self._probe.enter(self._touches.outside)
        try:
            yield
        finally:
            self._probe.between(self._touches.outside)

    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Give a fixture that several tests share its own share; others are part of their test."""
        if not self._stack:
            yield
            return
        outer = self._stack[-1]
        inner = outer
        if fixturedef.scope != "function":
            inner = Touched()
            self._fixtures[id(fixturedef)] = (fixturedef, inner)
            outer.uses.add(inner)
        with self._window(inner):
            yield

    def pytest_runtest_call(self) -> Iterator[None]:
        """Look at the test itself."""
        if not self._stack:
            yield
            return
        with self._window(self._stack[-1]):
            yield

    def pytest_runtest_teardown(self) -> Iterator[None]:
        """Look at the teardown: of wider fixtures too, as it is this test that it would be reported for."""
        if not self._stack:
            yield
            return
        with self._window(self._stack[-1]):
            yield

    @contextmanager
    def _window(self, inner: Touched) -> Iterator[None]:
        outer = self._touches.now
        is_nested = len(self._stack) > 1 or self._is_wide
        if inner is outer and is_nested:
            yield
            return
        self._stack.append(inner)
        self._probe.enter(inner)
        try:
            yield
        finally:
            self._stack.pop()
            (self._probe.leave if is_nested else self._probe.between)(outer)

    def finish(self) -> None:
        """Tell what is no test's."""
        if self.is_on:
            self._probe.stop()
            self._codes.tell()
            self._results.hold("imported", **self._touches.outside.fields())
