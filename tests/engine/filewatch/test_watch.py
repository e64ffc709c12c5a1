"""FileWatch on a real folder, and what may befall one."""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import shutil
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from watchdog.observers.polling import PollingObserver

from app.domain.errors import ProjectError
from app.engine.bridge import SafeAsyncBridge
from app.engine.clock import SystemClock
from app.engine.filewatch import ChangeKind, FileWatch, WatchTimes
from app.engine.filewatch.fold import CEILING_S, QUIET_S, STIR_S, Inbox
from app.engine.filewatch.observe import RecursiveObserver, native_observer
from app.engine.filewatch.watch import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.engine.filewatch.observe import Ear, Observer, Skip

CREATED, MODIFIED, DELETED = ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.DELETED
READ_AT_ONCE = 10_000  # more events than the reader can have taken out of the kernel's queue before it waits
EAGER = WatchTimes(root=0.05, verify=0.1, poll=0.05, relent=0.2, share=1.0)


def no_trouble(text: str, hint: str) -> None:
    raise AssertionError(f"trouble: {text} {hint}")


def inotify_watches() -> int:
    """Return how many inotify watches this process holds."""
    texts = []
    for entry in Path("/proc/self/fdinfo").iterdir():
        try:
            texts.append(entry.read_text(encoding="ascii"))
        except OSError:
            continue
    return sum(line.startswith("inotify wd:") for text in texts for line in text.splitlines())


def kernel_queue() -> int:
    """Return how many events the kernel keeps."""
    return int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))


async def test_created_modified_and_deleted_files_are_told(project: Path, watching: Any) -> None:
    """Each kind of change is told with its path relative to the root, in new folders too."""
    async with watching(project) as watched:
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        (project / "pkg" / "n.py").unlink()
        (project / "new" / "deep").mkdir(parents=True)
        (project / "new" / "deep" / "o.py").touch()

        assert sorted(await watched.changes()) == [
            ("m.py", MODIFIED),
            ("new/deep/o.py", CREATED),
            ("pkg/n.py", DELETED),
        ]
        assert watched.watch.counters.faults == 0


async def test_a_late_reader_gets_one_merged_batch(project: Path, watching: Any) -> None:
    """Batches that nobody has fetched are merged, so that their memory is bounded."""
    async with watching(project) as watched:
        for number in range(3):
            (project / f"x{number}.py").touch()
            await watched.until(lambda count=number + 1: watched.watch.counters.batches == count)

        batch = await watched.next()

    assert [change.path for change in batch.changes] == ["x0.py", "x1.py", "x2.py"]


async def test_ignored_folders_cost_no_watches(project: Path, watching: Any) -> None:
    """Ignored folders are neither watched nor told of, those that appear later included."""
    (project / ".gitignore").write_text("generated/\n", encoding="utf-8")
    for number in range(300):
        (project / "node_modules" / str(number) / "lib").mkdir(parents=True)
        (project / "generated" / str(number)).mkdir(parents=True)
    before = inotify_watches()
    async with watching(project) as watched:
        assert inotify_watches() - before == 2

        (project / "node_modules" / "0" / "index.js").touch()
        (project / "generated" / "g.py").touch()
        (project / "pkg" / "__pycache__").mkdir()
        (project / "pkg" / "__pycache__" / "n.pyc").touch()
        (project / "pkg" / "generated").mkdir()
        (project / "venv").mkdir()
        (project / "venv" / "pyvenv.cfg").touch()
        (project / "venv" / "v.py").touch()

        assert await watched.changes() == []
        assert inotify_watches() - before == 2


async def test_a_changed_gitignore_is_a_change_and_counts_at_once(project: Path, watching: Any) -> None:
    """New rules are told as a change of their file, and hold from then on, both ways."""
    async with watching(project) as watched:
        (project / ".gitignore").write_text("*.log\n", encoding="utf-8")
        assert await watched.changes() == [(".gitignore", CREATED)]
        (project / "a.log").touch()
        assert await watched.changes() == []

        (project / ".gitignore").write_text("", encoding="utf-8")
        assert sorted(await watched.changes()) == [(".gitignore", MODIFIED), ("a.log", CREATED)]
        (project / "a.log").write_text("x", encoding="utf-8")

        assert await watched.changes() == [("a.log", MODIFIED)]


async def test_untracked_files_are_watched(project: Path, watching: Any) -> None:
    """A file that git does not know is as good as any other."""
    await asyncio.to_thread(subprocess.run, ["git", "init", "-q"], cwd=project, check=True)
    async with watching(project) as watched:
        (project / "untracked.py").touch()

        assert await watched.changes() == [("untracked.py", CREATED)]


STORM = """
import sys
for number in range(4_000):
    with open(f"{sys.argv[1]}/s{number % 200}.py", "w") as file:
        file.write(str(number))
"""


async def test_a_storm_ends_in_the_right_state(project: Path, watching: Any) -> None:
    """4,000 writes from another process become a few batches that name each file."""
    async with watching(project) as watched:
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", STORM, str(project)], check=True)

        changes = await watched.changes()

        assert {path for path, _ in changes} == {f"s{number}.py" for number in range(200)}
        assert watched.watch.counters.faults == 0


async def test_an_overflow_of_the_kernels_queue_is_repaired(project: Path, watching: Any) -> None:
    """When the kernel drops events the loss is noticed and counted, and what was missed is told."""
    limit = kernel_queue()
    (project / "a.py").touch()
    (project / "b.py").touch()
    async with watching(project) as watched:
        with watched.watch._inbox._lock:  # the reading thread waits here, and the queue fills
            for number in range(limit + READ_AT_ONCE):
                os.utime(project / ("a.py" if number % 2 else "b.py"))
            (project / "m.py").write_text("first = 7\n", encoding="utf-8")

        batch = await watched.next()

        assert [(change.path, change.kind) for change in batch.changes] == [("m.py", MODIFIED)]
        assert batch.rescanned
        assert watched.watch.counters.losses == 1


class Limited:
    """The system's observer under a limit that is lifted when the test says so."""

    def __init__(self, code: int, *, at_once: bool) -> None:
        self.code = code
        self.at_once = at_once
        self.lifted = False

    def __call__(self, inbox: Inbox, skip: Skip) -> Observer:
        if self.at_once and not self.lifted:
            raise OSError(self.code, "limit reached")
        observer = native_observer(inbox, skip)
        if not self.lifted:
            watch = observer.watch

            def limited(path: str, folder: str) -> Ear | None:
                if folder:
                    raise OSError(self.code, "limit reached")
                return watch(path, folder)

            observer.watch = limited  # type: ignore[method-assign] # stands for the kernel's refusal
        return observer


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        (Limited(errno.ENOSPC, at_once=False), "max_user_watches"),
        (Limited(errno.EMFILE, at_once=True), "max_user_instances"),
    ],
    ids=["watches", "instances"],
)
async def test_without_watches_the_tree_is_polled(project: Path, watching: Any, limit: Limited, word: str) -> None:
    """At the system's limits changes are found by polling, with a message; watches return with the room."""
    limit.lifted = False
    async with watching(project, observe=limit, times=EAGER) as watched:
        assert word in watched.troubles[0][1]
        (project / "pkg" / "n.py").write_text("second = 8\n", encoding="utf-8")
        assert await watched.changes() == [("pkg/n.py", MODIFIED)]

        limit.lifted = True
        await watched.until(lambda: watched.troubles[-1] == ("", ""))
        (project / "pkg" / "n.py").write_text("second = 9\n", encoding="utf-8")

        assert await watched.changes() == [("pkg/n.py", MODIFIED)]
        assert len(watched.troubles) == 2


async def test_new_folders_beyond_the_limit_are_polled(project: Path, watching: Any) -> None:
    """The limit may also be reached later, when folders appear."""
    refuse: list[bool] = []

    def observe(inbox: Inbox, skip: Skip) -> Observer:
        observer = native_observer(inbox, skip)
        watch = observer.watch

        def limited(path: str, folder: str) -> Ear | None:
            if refuse:
                raise OSError(errno.ENOSPC, "limit reached")
            return watch(path, folder)

        observer.watch = limited  # type: ignore[method-assign] # stands for the kernel's refusal
        return observer

    async with watching(project, observe=observe, times=EAGER) as watched:
        refuse.append(True)
        (project / "new").mkdir()
        (project / "new" / "o.py").touch()

        assert await watched.changes() == [("new/o.py", CREATED)]
        assert "max_user_watches" in watched.troubles[0][1]


async def away(watched: Any) -> None:
    """Wait until it is noticed that the root is gone."""
    await watched.until(lambda: bool(watched.troubles) and "is gone" in watched.troubles[-1][0])


async def back(watched: Any) -> None:
    """Wait until the root is watched again."""
    await watched.until(lambda: watched.troubles[-1] == ("", ""))


async def test_a_root_that_is_renamed_and_comes_back_is_watched_again(project: Path, watching: Any) -> None:
    """Renaming the root and back is said, tells of no deletions, and loses no change made meanwhile."""
    async with watching(project) as watched:
        moved = project.with_name("moved")
        shutil.move(project, moved)
        await away(watched)
        (moved / "m.py").write_text("first = 3\n", encoding="utf-8")
        shutil.move(moved, project)
        await back(watched)

        assert await watched.changes() == [("m.py", MODIFIED)]
        assert watched.watch.counters.root_losses == 1


async def test_a_root_that_is_deleted_and_made_anew_tells_of_no_deletions(project: Path, watching: Any) -> None:
    """A root that is deleted and filled again tells only what differs, and is watched again."""
    for number in range(200):
        (project / f"x{number}.py").touch()
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    async with watching(project) as watched:
        shutil.rmtree(project)
        await away(watched)
        (copy / "m.py").write_text("first = 3\n", encoding="utf-8")
        (copy / "pkg" / "n.py").unlink()
        copy.rename(project)
        await back(watched)
        assert await watched.changes() == [("m.py", MODIFIED)]

        (project / "pkg" / "p.py").touch()

        assert await watched.changes() == [("pkg/p.py", CREATED)]


@pytest.mark.parametrize("go_away", [shutil.rmtree, lambda root: root.rename(root.with_name("old"))])
async def test_a_root_that_is_replaced_at_once_is_noticed(
    go_away: Callable[[Path], object], project: Path, watching: Any
) -> None:
    """A root deleted or moved, with another in its place before anyone looks, is another folder."""
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    async with watching(project) as watched:
        go_away(project)
        copy.rename(project)
        (project / "m.py").write_text("first = 4\n", encoding="utf-8")
        await watched.until(lambda: watched.watch.counters.root_losses == 1)

        (project / "pkg" / "n.py").write_text("second = 4\n", encoding="utf-8")

        told = await watched.changes()
        assert sorted(told) == [("m.py", MODIFIED), ("pkg/n.py", MODIFIED)]


async def test_a_root_that_moves_with_a_folder_above_it_is_missed(project: Path, watching: Any) -> None:
    """No event tells when a folder above the root is renamed: the root is looked for now and then."""
    above = project.parent
    async with watching(project, times=EAGER) as watched:
        above.rename(above.with_name("above"))
        await away(watched)
        above.with_name("above").rename(above)
        await back(watched)

        assert await watched.changes() == []


class FailingClock(SystemClock):
    """A clock that fails a number of times in the thread that hears events."""

    def __init__(self) -> None:
        self.failures = 0

    def monotonic(self) -> float:
        if self.failures and threading.current_thread().name == "watchkeeper-inotify":
            self.failures -= 1
            raise RuntimeError("no time")
        return super().monotonic()


async def test_an_exception_while_hearing_an_event_does_not_end_the_watch(project: Path) -> None:
    """What is raised in watchdog's thread is logged there, and the next event is heard."""
    clock = FailingClock()
    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        FileWatch(project, bridge=bridge, clock=clock, on_trouble=no_trouble) as watch,
    ):
        await watch.indexed()
        clock.failures = 1
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        (project / "pkg" / "n.py").write_text("second = 3\n", encoding="utf-8")

        async with asyncio.timeout(20):
            batch = await anext(watch.batches())

    assert clock.failures == 0
    assert "pkg/n.py" in [change.path for change in batch.changes]


async def test_an_exception_while_looking_does_not_end_the_watch(project: Path, watching: Any) -> None:
    """A fault of our own is logged and counted, and everything is compared afterwards."""
    fail = [RuntimeError("odd")]

    def observe(inbox: Inbox, skip: Skip) -> Observer:
        observer = native_observer(inbox, skip)
        watch = observer.watch

        def failing(path: str, folder: str) -> Ear | None:
            if folder == "new" and fail:
                raise fail.pop()
            return watch(path, folder)

        observer.watch = failing  # type: ignore[method-assign] # stands for a library's surprise
        return observer

    async with watching(project, observe=observe) as watched:
        (project / "new").mkdir()
        (project / "new" / "o.py").touch()

        assert await watched.changes() == [("new/o.py", CREATED)]
        assert watched.watch.counters.faults == 1


async def test_a_dead_observer_is_replaced(project: Path, watching: Any) -> None:
    """When watchdog's thread has ended, another is started and what was missed is told."""
    async with watching(project, times=EAGER) as watched:
        watched.watch._lookout._observer.stop()
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        batch = await watched.next()
        assert [(change.path, change.kind) for change in batch.changes] == [("m.py", MODIFIED)]

        (project / "m.py").write_text("first = 3\n", encoding="utf-8")

        assert await watched.changes() == [("m.py", MODIFIED)]


async def test_odd_names_are_told(project: Path, watching: Any) -> None:
    """Names that are no UTF-8, hold a newline or an emoji, or are 255 bytes long come through."""
    names = [b"not\xffutf8.py", b"new\nline.py", "\U0001f600.py".encode(), b"x" * 252 + b".py"]
    async with watching(project) as watched:
        for name in names:
            (project / "pkg" / os.fsdecode(name)).touch()

        changes = await watched.changes()

    assert sorted(changes) == sorted((f"pkg/{name.decode('utf-8', 'backslashreplace')}", CREATED) for name in names)


async def test_links_pipes_and_sockets_do_no_harm(project: Path, watching: Any) -> None:
    """A loop of links, a dangling one, a FIFO and a socket hold nothing up."""
    async with watching(project) as watched:
        (project / "pkg" / "loop").symlink_to(project, target_is_directory=True)
        (project / "dangling.py").symlink_to("nowhere")
        os.mkfifo(project / "pipe.py")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(project / "s.py"))
            assert sorted(await watched.changes()) == [("dangling.py", CREATED), ("pkg/loop", CREATED)]

        (project / "pkg" / "n.py").write_text("second = 3\n", encoding="utf-8")

        assert await watched.changes() == [("pkg/n.py", MODIFIED)]


async def test_deeply_nested_folders_are_all_seen(project: Path, watching: Any) -> None:
    """300 folders in each other, made at once, are watched down to the last."""
    deepest = project.joinpath(*(["d"] * 300))
    async with watching(project) as watched:
        deepest.mkdir(parents=True)
        for folder in (deepest, *deepest.parents[:299]):
            (folder / "f.py").touch()
        assert len(await watched.changes()) == 300

        (deepest / "f.py").write_text("x", encoding="utf-8")

        assert await watched.changes() == [("d/" * 300 + "f.py", MODIFIED)]


async def test_a_rescan_tells_what_was_missed(project: Path, watching: Any) -> None:
    """After `rescan` returns, a change that no event told of is ready to be read."""
    async with watching(project, observe=lambda _inbox, _skip: Deaf()) as watched:
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")

        await watched.watch.rescan()

        batch = await watched.next()
        assert batch.rescanned
        assert [(change.path, change.kind) for change in batch.changes] == [("m.py", MODIFIED)]


class Deaf:
    """An observer that misses everything, and does not know."""

    alive = True
    lossy = False

    def watch(self, path: str, folder: str) -> None:
        """Hear nothing."""

    def unwatch(self, ear: Ear) -> None:
        """Hear nothing."""

    def stop(self) -> None:
        """Hear nothing."""


async def test_after_events_the_tree_is_verified(project: Path, watching: Any) -> None:
    """A change without an event (a mapped file, still open) is found by the comparison that follows other events."""
    async with watching(project, times=EAGER) as watched:
        with (project / "m.py").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:5] = b"FIRST"
            mapped.flush()
            os.utime(project / "pkg" / "n.py")

            batch = await watched.next()

        assert [(change.path, change.kind) for change in batch.changes] == [("m.py", MODIFIED)]
        assert batch.rescanned


async def test_without_events_nothing_is_compared(project: Path, fake_clock: Any) -> None:
    """Hours in which nothing happens cost no look at any file."""
    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        FileWatch(project, bridge=bridge, clock=fake_clock, on_trouble=no_trouble) as watch,
    ):
        await watch.indexed()
        for _ in range(100):
            await fake_clock.wait_for_sleepers()
            fake_clock.advance(60.0)

        assert watch.counters.rescans == 0


async def test_the_recursive_observer_tells_the_same(project: Path, watching: Any) -> None:
    """The observer of macOS and Windows, one watch for the whole tree, gives the same changes."""
    # watchdog's recursive observer for Linux dies of its own warnings now and then; its polling one stands in
    observe = partial(RecursiveObserver, make=partial(PollingObserver, timeout=0.02))
    async with watching(project, observe=observe) as watched:
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        (project / "new" / "deep").mkdir(parents=True)
        (project / "new" / "deep" / "o.py").touch()
        (project / "pkg" / "n.py").rename(project / "new" / "n.py")
        (project / "node_modules" / "x").mkdir(parents=True)
        (project / "node_modules" / "x" / "index.js").touch()

        assert sorted(await watched.changes()) == [
            ("m.py", MODIFIED),
            ("new/deep/o.py", CREATED),
            ("new/n.py", CREATED),
            ("pkg/n.py", DELETED),
        ]


class Forgetful(Deaf):
    """An observer that tells of too much at once to be believed."""

    lossy = True

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox


async def test_a_storm_from_a_lossy_observer_is_checked(project: Path, watching: Any) -> None:
    """Where losses are not told of, many events at once lead to a comparison of the whole tree."""
    observers: list[Forgetful] = []

    def observe(inbox: Inbox, _skip: Skip) -> Observer:
        observers.append(Forgetful(inbox))
        return observers[-1]

    async with watching(project, observe=observe) as watched:
        (project / "m.py").write_text("first = 2\n", encoding="utf-8")
        for number in range(1000):
            observers[0].inbox.note("", f"gone{number}")

        batch = await watched.next()

    assert batch.rescanned
    assert [change.path for change in batch.changes] == ["m.py"]


async def test_a_file_that_is_away_for_a_moment_is_not_deleted(project: Path, fake_clock: Any) -> None:
    """A file found gone in the middle of a save gets a moment to come back."""
    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        FileWatch(project, bridge=bridge, clock=fake_clock, on_trouble=no_trouble) as watch,
    ):
        await watch.indexed()
        (project / "m.py").unlink()
        await fake_clock.wait_for_sleepers(2)
        fake_clock.advance(2 * QUIET_S)
        await fake_clock.wait_for_sleepers(2)
        assert watch._tree._unsettled

        (project / "m.py").write_text("first = 1\n", encoding="utf-8")
        fake_clock.advance(GRACE_S)
        (project / "x.py").touch()
        batches = watch.batches()
        reader = asyncio.ensure_future(anext(batches))
        while not reader.done():
            await fake_clock.wait_for_sleepers(1)
            fake_clock.advance(QUIET_S)
            await asyncio.sleep(0.001)

        assert [change.path for change in (await reader).changes] == ["x.py"]


async def test_a_root_on_its_way_out_tells_of_no_deletions(project: Path, fake_clock: Any) -> None:
    """While much vanishes and more happens, nothing is told: the root itself may be next, as with rm -r."""
    for number in range(100):
        (project / f"x{number}.py").touch()
    troubles: list[str] = []
    async with (
        SafeAsyncBridge(asyncio.get_running_loop()) as bridge,
        FileWatch(project, bridge=bridge, clock=fake_clock, on_trouble=lambda text, _: troubles.append(text)) as watch,
    ):
        await watch.indexed()
        for number in range(90):
            (project / f"x{number}.py").unlink()
        while watch._inbox.peek().paths < 90:  # noqa: ASYNC110 - the kernel's events have none of ours
            await asyncio.sleep(0.001)
        await fake_clock.wait_for_sleepers(2)
        fake_clock.advance(CEILING_S)
        await fake_clock.wait_for_sleepers(2)
        assert watch._tree.vanished == 90

        (project / "x95.py").unlink()
        while not watch._inbox.peek().events:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        fake_clock.advance(GRACE_S)
        await fake_clock.wait_for_sleepers(2)
        shutil.rmtree(project)
        while not troubles:
            fake_clock.advance(CEILING_S)
            await asyncio.sleep(0.001)

        assert "is gone" in troubles[0]
        assert watch.counters.batches == 0


def test_names_known_to_be_ignored_are_not_noted(tmp_path: Path) -> None:
    """Events of a file that is known to be ignored cost no more than being read."""
    inbox = Inbox(lambda: None, lambda: 0.0)
    observer = native_observer(inbox, lambda _name, _folder: False)
    try:
        ear = observer.watch(str(tmp_path), "")
        assert ear is not None
        ear.deaf.add("ignored.log")
        (tmp_path / "ignored.log").touch()
        (tmp_path / "m.py").touch()
        while not inbox.peek().events:
            pass
    finally:
        observer.stop()

    assert inbox.take().names == {"": {"m.py"}}


async def test_two_watches_share_a_bridge(tmp_path: Path) -> None:
    """Two folders watched over one bridge do not disturb each other."""
    roots = tmp_path / "one", tmp_path / "two"
    for root in roots:
        root.mkdir()
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
        clock = SystemClock()
        async with (
            FileWatch(roots[0], bridge=bridge, clock=clock, on_trouble=no_trouble) as one,
            FileWatch(roots[1], bridge=bridge, clock=clock, on_trouble=no_trouble) as two,
            asyncio.timeout(20),
        ):
            (roots[0] / "a.py").touch()
            (roots[1] / "b.py").touch()

            told = [(await anext(watch.batches())).changes[0].path for watch in (one, two)]

    assert told == ["a.py", "b.py"]


async def test_closing_gives_everything_back(project: Path, watching: Any) -> None:
    """Threads and descriptors are gone afterwards, the reader's loop ends, and a late rescan returns."""
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    async with watching(project) as watched:
        reader = asyncio.create_task(anext(watched.watch.batches(), None))
        (project / "x.py").touch()
        await reader
        reader = asyncio.create_task(anext(watched.watch.batches(), None))
        await asyncio.sleep(0)

    async with asyncio.timeout(20):
        assert await reader is None
        await watched.watch.rescan()
    await watched.until(lambda: not {thread for thread in threading.enumerate() if thread not in threads})
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208 - a count


@pytest.mark.parametrize("name", ["missing", "m.py"])
async def test_a_root_that_is_no_folder_is_refused(project: Path, name: str) -> None:
    """Entering says what is wrong with the path, and leaves nothing behind."""
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge:
        with pytest.raises(ProjectError, match=name):
            async with FileWatch(project / name, bridge=bridge, clock=SystemClock(), on_trouble=no_trouble):
                pass


async def test_a_single_save_is_told_of_early(tmp_path: Path, watching: Callable[..., Any]) -> None:
    """Its name comes before the batch, and once."""
    stirred: list[frozenset[str]] = []
    (tmp_path / "pkg").mkdir()
    async with watching(tmp_path, on_stir=stirred.append) as watched:
        await watched.watch.indexed()

        batch = await watched.save_until_told_early("pkg/a.py", stirred)

    assert [change.path for change in batch.changes] == ["pkg/a.py"]
    assert stirred == [frozenset({"pkg/a.py"})]
    assert batch.last_at > 0


async def test_a_file_that_is_just_replaced_is_told_of_when_it_is_there(
    tmp_path: Path, watching: Callable[..., Any]
) -> None:
    """As vim saves: moved away, made anew, and empty for a moment; what is told early has content."""
    stirred: list[tuple[frozenset[str], str]] = []
    file = tmp_path / "a.py"
    file.write_text("x = 1\n", encoding="utf-8")

    def on_stir(names: frozenset[str]) -> None:
        stirred.append((names, file.read_text(encoding="utf-8")))

    async with watching(tmp_path, on_stir=on_stir) as watched:
        await watched.watch.indexed()

        number = 1
        while not stirred:  # as in save_until_told_early
            number += 1
            file.replace(tmp_path / "a.py~")
            await asyncio.sleep(2 * STIR_S)
            with file.open("w", encoding="utf-8") as new:
                await asyncio.sleep(2 * STIR_S)
                new.write(f"x = {number}\n")
            await watched.next()

    assert set(stirred) == {(frozenset({"a.py"}), f"x = {number}\n")}


@pytest.mark.parametrize("name", ["a.py", "noise.log"])
async def test_what_is_no_change_is_not_told_of_early(tmp_path: Path, watching: Callable[..., Any], name: str) -> None:
    """A file that is saved as it was, or one that git ignores: neither is worth getting ready for."""
    stirred: list[frozenset[str]] = []
    (tmp_path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    async with watching(tmp_path, on_stir=stirred.append) as watched:
        await watched.watch.indexed()

        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
        await watched.watch.rescan()
        await watched.save_until_told_early("b.py", stirred)

    assert set(stirred) == {frozenset({"b.py"})}


async def test_many_files_at_once_are_told_of_in_their_batch_only(tmp_path: Path, watching: Callable[..., Any]) -> None:
    """A checkout is not complete when its first files are there."""
    stirred: list[frozenset[str]] = []
    async with watching(tmp_path, on_stir=stirred.append) as watched:
        await watched.watch.indexed()

        for number in range(50):
            (tmp_path / f"a{number}.py").write_text("x = 1\n", encoding="utf-8")
        told = len((await watched.next()).changes)

    assert told == 50
    assert not stirred
