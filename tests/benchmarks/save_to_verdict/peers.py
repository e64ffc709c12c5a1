"""The peers, each in its quickest configuration that a person would use.

All run `pytest -q --color=no -rfE`: the dots come one by one, the F too, and a red test is named as early as with the
default output: when all have run, in the heading of its traceback. (With -v it would be named with its sign, which is
why both are measured.) None of them needs a plugin in our own copy, so ours has none.

- pytest-watcher 0.6.3 looks every 0.1 s whether a file event came. Its `--delay` (0.2 s by default) is read and given
  to nobody in this version, so the delay is 0; 0 is passed all the same. watchdog is held below 7, with which it never
  reacts: its patterns mean something else there.
- entr answers events at once. It is given the files by `find`, as its manual shows; -n keeps it off the keyboard,
  -p makes it wait for the first change.
- testmon runs what a change touches, by its own record, which is learnt before the start and kept up to date.
- looponfail is told the folders with sources (`looponfailroots`), or files that tests write would start it for ever.
  It looks every 2 s, which nothing changes. xdist 3.8 still has it, with a warning that must be kept from projects
  that turn warnings into errors.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from subjects import Checkout

PYTEST_WATCHER = ("pytest-watcher==0.6.3", "watchdog==6.0.0")
TESTMON = "pytest-testmon==2.2.0"
XDIST = "pytest-xdist==3.8.0"
QUIETLY = ("-q", "--color=no", "-rfE")
PTW_WAITS = ("Invoke test runner", "Press w to show menu")
MOST_POLL_S = 2.0
LOOPONFAIL_WARNING = "ignore:The --looponfail:DeprecationWarning"


@dataclass(frozen=True, slots=True)
class Peer:
    """A test watcher to compare with.

    Attributes:
        name: Of the side.
        command: Gives the command that watches a checkout.
        needs: What is installed into the checkout's environment.
        program: The system's program that it needs, or empty.
        learn: pytest's arguments for a first run by which it learns, or none.
        watching: One of these it prints when it waits for changes; none when it says nothing.
        remembers: Whether a run depends on those before, so that it has to see the mending.
        poll_s: How often it looks, in seconds; the save comes at a random moment between two looks.
    """

    name: str
    command: Callable[[Checkout], list[str]]
    needs: tuple[str, ...] = ()
    program: str = ""
    learn: tuple[str, ...] = ()
    watching: tuple[str, ...] = ()
    remembers: bool = False
    poll_s: float = 0.0

    @property
    def runs_at_start(self) -> bool:
        """Whether it learns by a run of its own when it starts."""
        return self.remembers and not self.learn


def _pytest_watcher(checkout: Checkout, *more: str) -> list[str]:
    words = [checkout.python, "-m", "pytest_watcher", str(checkout.root), "--delay", "0", "--runner", checkout.pytest]
    return [*words, *QUIETLY, *more, *checkout.subject.recipe.left_out]


def _entr(checkout: Checkout, *more: str) -> list[str]:
    folders = shlex.join(checkout.subject.sources)
    test = shlex.join([checkout.pytest, *QUIETLY, *more, *checkout.subject.recipe.left_out])
    return ["sh", "-c", f"find {folders} -name '*.py' | entr -n -p {test}"]


def _looponfail(checkout: Checkout) -> list[str]:
    roots = f"looponfailroots={' '.join(checkout.subject.sources)}"
    return [checkout.pytest, "-f", "-W", LOOPONFAIL_WARNING, "-o", roots, *QUIETLY, *checkout.subject.recipe.left_out]


LEARN = ("--testmon", "-q")

PEERS = (
    Peer("pytest-watcher", _pytest_watcher, PYTEST_WATCHER, watching=PTW_WAITS, poll_s=0.1),
    Peer(
        "pytest-watcher+testmon",
        lambda checkout: _pytest_watcher(checkout, "--testmon"),
        (*PYTEST_WATCHER, TESTMON),
        learn=LEARN,
        watching=PTW_WAITS,
        remembers=True,
        poll_s=0.1,
    ),
    Peer("entr", _entr, program="entr"),
    Peer(
        "entr+testmon",
        lambda checkout: _entr(checkout, "--testmon"),
        (TESTMON,),
        program="entr",
        learn=LEARN,
        remembers=True,
    ),
    Peer("looponfail", _looponfail, (XDIST,), watching=("waiting for changes",), remembers=True, poll_s=MOST_POLL_S),
)
