"""The entry: from the command line to what it starts.

Nothing heavy is imported before it is needed: `--version` pays for none of it, and headless never for Qt. What is
started is built in `app.house`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from app.cli.launchers import AccountOptions, AuditOptions, OnceOptions, RepairOptions, SecretOf, TrayOptions
    from app.engine.places import Places
    from app.system.instance import SingleInstance


def main() -> int:
    """Run the command line, and return the exit code."""
    from app.cli import run
    from app.cli.launchers import Launchers

    launchers = Launchers(
        tray=_tray, headless=_headless, once=_once, audit=_audit, audit_aws=_audit_aws, repair=_repair, bundle=_bundle
    )
    return run(sys.argv[1:], launchers)


def _tray(folders: tuple[Path, ...], options: TrayOptions) -> int:
    return _keep(folders, options) if options.keep else _watch(folders, options)


def _watch(folders: tuple[Path, ...], options: TrayOptions) -> int:
    from app.domain.errors import NoInstance
    from app.engine.places import Places
    from app.house.succession import succeed
    from app.system.instance import SingleInstance
    from app.system.service import Service

    places = Places.find(os.environ)
    checked = _checked(folders)
    with SingleInstance(places) as instance:
        if not instance.acquire():
            left = succeed(places, instance, _say)
            if left is not None:
                return _take_over(instance, (*checked, *left.folders), options, is_kept=left.was_kept)
            Service.take(os.environ).ready()  # all that is to be started has been: else systemd takes it for a failure
            try:
                return _raise_running(places, checked, instance)
            except NoInstance:
                if not instance.acquire():  # it has ended meanwhile
                    raise
        return _watch_alone(places, checked, options)


def _watch_alone(places: Places, checked: tuple[Path, ...], options: TrayOptions) -> int:
    """Watch, with the single-instance lock held."""
    from app.house.terminal import watch_in_terminal
    from app.house.tray import watch_in_tray
    from app.system.allocator import keep_no_spare_memory
    from app.system.display import display_trouble

    keep_no_spare_memory(os.environ)
    trouble = display_trouble(os.environ)
    if trouble:
        _say(trouble)  # also where there is nothing to watch: it is why no window came
        _require_project(places, checked)
        _say("Watching in the terminal instead.")
        return watch_in_terminal(places, checked, as_json=False, safe=options.safe)
    return watch_in_tray(places, checked, options)


def _take_over(instance: SingleInstance, folders: tuple[Path, ...], options: TrayOptions, *, is_kept: bool) -> int:
    """Go on in the place of an older one that has left, with its projects; kept by a parent where it was."""
    from dataclasses import replace

    from app.engine.places import Places
    from app.system.service import KEPT_BY

    once, shown = tuple(dict.fromkeys(folders)), replace(options, window=True)
    if is_kept and KEPT_BY not in os.environ:
        instance.release()
        return _keep(once, shown)
    return _watch_alone(Places.find(os.environ), once, shown)


def _keep(folders: tuple[Path, ...], options: TrayOptions) -> int:
    """Stay as the parent of the tray, which checks the folders. It is asked for its window but once."""
    from app.engine.limits import Limits
    from app.house.keeper import Keeper, own_command

    again = [*own_command(), *map(str, folders), *(["--safe"] if options.safe else [])]
    first = [*again, "--window"] if options.window else again
    return Keeper(first, again, environ=os.environ, limits=Limits(), say=_say).run()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - said to the person


def _require_project(places: Places, folders: tuple[Path, ...]) -> None:
    """Refuse to watch nothing at all in a terminal, where nobody could name a project later.

    Raises:
        UsageError: No project is named, neither here nor in the settings.
    """
    from app.agents.settings_in_force import SettingsInForce
    from app.domain.errors import UsageError

    if not folders and not SettingsInForce(places).current.projects:
        hint = "Name one: watchkeeper PATH, or set `projects` with: watchkeeper config edit"
        raise UsageError("No project is named, so there is nothing to watch.", hint)


def _headless(folder: Path, as_json: bool) -> int:  # noqa: FBT001 - as the command line hands it over
    from app.domain.errors import CannotError
    from app.engine.places import Places
    from app.house.terminal import watch_in_terminal
    from app.system.allocator import keep_no_spare_memory
    from app.system.instance import SingleInstance

    keep_no_spare_memory(os.environ)
    places = Places.find(os.environ)
    checked = _checked((folder,))
    with SingleInstance(places) as instance:
        if not instance.acquire():
            hint = f"Let it watch this project too: watchkeeper {checked[0]}"
            raise CannotError("Watchkeeper is running already.", hint)
        return watch_in_terminal(places, checked, as_json=as_json)


def _once(folder: Path, changed: tuple[str, ...], options: OnceOptions) -> int:
    import asyncio

    from app.agents.settings_in_force import SettingsInForce
    from app.agents.testing.once import run_once
    from app.cli.once import report_once
    from app.cli.terminal import Terminal, plain
    from app.engine.clock import SystemClock
    from app.engine.places import Places
    from app.engine.processes import ProcessRunner
    from app.engine.workers import plain_loop

    (root,) = _checked((folder,))
    terminal = Terminal(sys.stdout, sys.stderr, os.environ)
    places = Places.find(os.environ)
    in_force = SettingsInForce(places)
    _, general = in_force.general()
    settings, own = in_force.of_project(root)
    for text, hint in (general, own):
        if text:
            terminal.note(plain(f"{text} {hint}"))
    clock = SystemClock()
    run = run_once(
        root,
        changed,
        settings.tests,
        runner=ProcessRunner(clock=clock),
        clock=clock,
        environ=os.environ,
        maps=places.cache / "impact",
        coverage=options.coverage,
    )
    with asyncio.Runner(loop_factory=plain_loop) as runner:
        report = runner.run(run)
    return report_once(report, terminal, as_json=options.as_json)


def _audit(folder: Path, options: AuditOptions) -> int:
    import asyncio

    from app.cli.auditing import audited
    from app.cli.terminal import Terminal
    from app.engine.clock import SystemClock
    from app.engine.places import Places
    from app.engine.workers import plain_loop
    from app.house.auditing import audit_once

    (root,) = _checked((folder,))
    terminal = Terminal(sys.stdout, sys.stderr, os.environ)
    run = audit_once(Places.find(os.environ), root, options, clock=SystemClock(), tell=terminal.pass_by)
    with asyncio.Runner(loop_factory=plain_loop) as runner:
        done = runner.run(run)
    return audited(done, options, terminal)


def _audit_aws(names: tuple[str, ...], options: AccountOptions, secret: SecretOf) -> int:
    import asyncio

    from app.cli.aws.auditing import audited_accounts
    from app.cli.terminal import Terminal, plain
    from app.engine.clock import SystemClock
    from app.engine.places import Places
    from app.engine.workers import plain_loop
    from app.house.aws import audit_accounts_once

    terminal = Terminal(sys.stdout, sys.stderr, os.environ)

    def tell(text: str) -> None:
        terminal.progress(plain(text))

    run = audit_accounts_once(Places.find(os.environ), names, options, secret, clock=SystemClock(), tell=tell)
    with asyncio.Runner(loop_factory=plain_loop) as runner:
        try:
            done = runner.run(run)
        finally:
            tell("")
    return audited_accounts(done, options.report, terminal)


def _repair(options: RepairOptions, secret: SecretOf) -> Mapping[str, Any]:
    import asyncio

    from app.cli.terminal import Terminal, plain
    from app.engine.clock import SystemClock
    from app.engine.places import Places
    from app.engine.workers import plain_loop
    from app.house.repairs import repair

    terminal = Terminal(sys.stdout, sys.stderr, os.environ)

    def say(line: str) -> None:
        if not options.is_quiet:  # the document has it
            terminal.note(plain(line))

    places = Places.find(os.environ)
    run = repair(places, options, secret, clock=SystemClock(), say=say)
    with asyncio.Runner(loop_factory=plain_loop) as runner:
        return runner.run(run)


def _bundle(path: Path) -> tuple[str, ...]:
    from app.engine.places import Places
    from app.house.bundle import save_bundle

    return save_bundle(Places.find(os.environ), os.environ, path, argv=sys.argv)


def _checked(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    from app.agents.testing.projects import check_folder

    return tuple(check_folder(folder) for folder in folders)


def _raise_running(places: Places, folders: tuple[Path, ...], instance: SingleInstance) -> int:
    """Have the instance that runs show itself, and watch what was named.

    Raises:
        NoInstance: It has ended meanwhile.
        CannotError: It cannot be reached, or refuses.
    """
    from app.cli.patience import PATIENCE_S, patiently, send_when_up
    from app.cli.safemode import SAFE_NOTE, safe_mode_of
    from app.cli.terminal import Terminal
    from app.control.client import ControlClient
    from app.domain.commands import RaiseWindow, ReadStatus, WatchProject
    from app.domain.errors import CommandRefused
    from app.system.foreground import let_come_forward

    # Whether it answers at all is known soon; what it is then asked may take its time.
    with patiently(Terminal(sys.stdout, sys.stderr, os.environ)), ControlClient(places, timeout_s=PATIENCE_S) as client:
        snapshot = send_when_up(client, ReadStatus(), lambda: not instance.acquire())
    if safe_mode_of(snapshot):
        _say(SAFE_NOTE)
    with ControlClient(places) as client:
        for folder in folders:
            client.send(WatchProject(path=str(folder)))
        let_come_forward()
        try:
            client.send(RaiseWindow())
        except CommandRefused:
            if not folders:
                raise
            print("It is watched by the Watchkeeper that runs in a terminal.")  # noqa: T201 - said to the person
    return 0


if __name__ == "__main__":
    sys.exit(main())
