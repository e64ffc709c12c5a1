"""The fault catalogue: what may befall Watchkeeper, and what is expected of it then.

Each row is shown by at least one test `test_row_NN_...` in this folder or in `tests/desktop`; `test_catalogue.py` sees
to it. What is held for every row is the fixture `sound` of `conftest.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        number: From 1 on; tests are named by it.
        fault: What happens.
        expected: What comes of it.
    """

    number: int
    fault: str
    expected: str


ROWS = (
    Row(1, "an agent raises once, at its start", "back in about a second, one restart counted, nobody alerted"),
    Row(2, "an agent raises each time", "ever longer waits, then FAILED, told once, tried slowly; others go on"),
    Row(3, "an agent returns without a word", "counted as a failure"),
    Row(4, "an agent waits for ever", "STALE after 90 to 120 s, cancelled, started again"),
    Row(5, "an agent swallows its cancellation", "ABANDONED in 7 s, never doubled, the end delayed by 2 s at most"),
    Row(6, "an agent beats and comes no further", "told as no progress, once, and when it goes on"),
    Row(7, "the loop is blocked for 2, 30 or 130 s", "stacks in 2.5 s, no restarts; after 120 s a marker and exit 70"),
    Row(8, "threads that only compute", "the lag is told, with their names"),
    Row(9, "SystemExit, MemoryError, RecursionError in a task", "an agent's failure, or an orderly end; finally runs"),
    Row(10, "a dialog or a menu is open for a minute", "every agent goes on beating"),
    Row(11, "Quit, SIGTERM, SIGINT, end of session, last window closed", "a staged stop in 10 s, exit 0; a window no"),
    Row(12, "a second SIGTERM; a stop during the start", "forced in 2 s; nothing left half started"),
    Row(13, "kill -9 at any moment", "a clean next start: lock taken over, temporaries swept, children gone"),
    Row(14, "started a second time", "the first shows itself, the second ends with 0"),
    Row(15, "SIGSTOP for ten minutes, then SIGCONT", "no restart, nobody stale, one rescan"),
    Row(16, "SIGSTOP of a test's process", "ended in time with its whole group, no orphans"),
    Row(17, "the wall clock is set an hour on or back", "nobody stale, no early rotation, the log in order"),
    Row(18, "timers of 30, 90 and 400 days", "kept, over a restart too"),
    Row(19, "bridge calls before the start, while draining, after the end", "BridgeClosed in 10 ms, never a hang"),
    Row(20, "eight threads hammer the bridge while it closes", "no future unresolved"),
    Row(21, "100,000 file events in 5 s", "lag under 50 ms, memory bounded, the right state afterwards"),
    Row(22, "the kernel's queue of file events overflows", "noticed, looked through within 60 s, counted"),
    Row(23, "no watches left, no descriptors left", "polled instead, and said in clear words"),
    Row(24, "the watched folder is deleted, made anew, renamed", "noticed in 30 s, watched again, no mass deletion"),
    Row(25, "a handler of file events raises", "logged, and the watch lives"),
    Row(26, "names that are no UTF-8, with line ends, emoji, of 255 bytes", "handled, and safe in JSON"),
    Row(27, "links in a loop or into nothing, FIFOs, sockets", "not followed, never opened"),
    Row(28, "300 nested folders at once", "all of them seen"),
    Row(29, "the disk is full", "what was there is intact, memory bounded, goes on when there is room"),
    Row(30, "a folder is read-only", "DEGRADED, told once"),
    Row(31, "a file system hangs, twenty times", "given up after 5 s each; name look-ups, database, window unaffected"),
    Row(32, "another process locks the database for 10 s", "writes wait, none is lost"),
    Row(33, "the database is noise, cut short, empty, of a newer version", "set aside and recovered, or read only"),
    Row(34, "kill -9 during a migration", "restored from the copy made before it"),
    Row(35, "a state file is cut short, of a wrong type, huge", "set aside, defaults, and said"),
    Row(36, "Redis refuses, is silent, slow, or resets", "2 s at most, a file instead, written back without doubles"),
    Row(37, "a model's service accepts and never answers", "given up in time, asked again by one probe"),
    Row(
        38,
        "429 with Retry-After, a storm of 5xx, 401, 400",
        "waited for, broken off, never repeated; one agent's matter",
    ),
    Row(39, "a model answers nonsense, too much, half, or commands", "cut, checked, plain instead; nothing executed"),
    Row(40, "no name look-up, no network at the start, TLS fails", "starts, DEGRADED, catches up"),
    Row(41, "mail or Telegram is down while alerting", "shown on the desktop, queued on disk, no alert of an alert"),
    Row(42, "10,000 alerts a minute", "a handful of messages"),
    Row(43, "no tray, the tray starts anew, no notification service, no D-Bus", "works all the same, with a window"),
    Row(44, "the keychain is locked, absent, slow", "no plaintext, the window alive, said within 1 s"),
    Row(45, "a crash at each step of a key's rotation", "the old or the new one is valid, never none"),
    Row(46, "tests that hang, crash, print without end, leave daemons", "ended as a group, output capped, so judged"),
    Row(47, "the port of the metrics is taken", "the next one, or none, and said"),
    Row(48, "warnings as errors, asyncio's debug mode, -X dev", "the tests pass, the program says nothing"),
    Row(49, "a long life with an event each second and restarts", "memory, descriptors and timers flat"),
    Row(50, "upgraded while it runs, moved elsewhere", "the old one is asked to leave, autostart mended"),
)
