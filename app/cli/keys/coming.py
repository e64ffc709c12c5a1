"""The commands by which secrets come and go as files: import, migrate, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from app.cli.keys.newfile import write_new
from app.cli.keys.prompts import ask_yes
from app.cli.keys.vaults import opened, vault_of
from app.cli.terminal import plain
from app.domain import words
from app.domain.errors import VaultMissing
from app.keys.incoming.dotenv import DotEnv
from app.keys.incoming.envfile import read_env
from app.keys.incoming.intake import Verdict
from app.keys.incoming.oldsecrets import OldSecrets
from app.keys.log.chain import Action

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from app.cli.context import Context
    from app.keys.incoming.intake import Advice, Plan, Taken

_TOLD = {
    Verdict.NEW: ("new", "green"),
    Verdict.SAME: ("there already", "dim"),
    Verdict.DIFFERS: ("another value is there: --replace it, or it stays", "yellow"),
    Verdict.UNREADABLE: ("cannot be taken", "red"),
    Verdict.LEFT_OUT: ("left out", "dim"),
}


class _Came(Protocol):
    @property
    def taken(self) -> Taken: ...
    @property
    def advice(self) -> Sequence[Advice]: ...


class _Source(Protocol):
    def plan(self) -> Plan: ...
    def apply(self, plan: Plan, *, partial: bool = ..., replacing: Collection[str] = ...) -> _Came: ...


def import_file(context: Context) -> int:
    """Take secrets from a .env file, or show what would be taken."""
    said = context.words
    with opened(context) as usual:
        path = Path(context.cwd, said.file)
        return _take(context, DotEnv(path, usual.vault, usual.file, take=said.also, leave=said.leave), partial=False)


def migrate(context: Context) -> int:
    """Take the secrets of an old file, or show what would be taken."""
    said = context.words
    path = Path(context.cwd, said.file)
    beside = Path(context.cwd, said.env) if said.env else path.with_name(".env")
    env = read_env(beside) if said.env or beside.exists() else None
    given = context.environ.get("ENCRYPTION_KEY", "")
    with opened(context) as usual:
        old = OldSecrets(path, env, usual.vault, usual.file, passwords=[given] if given else [])
        return _take(context, old, partial=said.partial)


def export(context: Context) -> int:
    """Write an encrypted copy of the vault; or all values, where that is asked for."""
    said = context.words
    path = Path(context.cwd, said.file)
    if not said.plain:
        usual = vault_of(context)
        if not usual.vault.exists:
            raise VaultMissing("There is no vault, so there is nothing to export.", "Make one: watchkeeper keys init")
        with usual.file.held():
            write_new(path, usual.file.read())
        return _exported(
            context,
            path,
            f"The recovery code opens it anywhere: watchkeeper keys restore {plain(path.name)} --recovery",
        )
    with opened(context) as usual:
        names = [about.name for about in usual.vault.contents.abouts]
        question = f"Write {words.plural(len(names), 'value')} readable by anyone who reads {plain(path)}?"
        if not said.yes and not ask_yes(question, instead="Say it with --yes."):
            context.terminal.note("Nothing was written.")
            return 0
        lines = [_env_line(name, usual.vault.get(name, action=Action.EXPORT)) for name in names]
        write_new(path, "".join(lines).encode("utf-8", "surrogateescape"))
    return _exported(context, path, "Anyone who reads that file has the keys. Remove it as soon as it has served.")


def _take(context: Context, source: _Source, *, partial: bool) -> int:
    plan = source.plan()
    if plan.done is not None:
        context.terminal.note(f"It was migrated before, and lies in {plain(plan.done)}.")
    if not context.words.apply:
        _show_plan(context, plan)
        return 0
    came = source.apply(plan, partial=partial, replacing=context.words.replace)
    _show_taken(context, came)
    return 0


def _show_plan(context: Context, plan: Plan) -> None:
    if context.as_json:
        context.terminal.document({"plan": [_item(each) for each in plan.items], "applied": False})
        return
    rows = []
    for item in plan.items:
        text, colour = _TOLD[item.verdict]
        rows.append((plain(item.name or item.shown), context.terminal.paint(text, colour), plain(item.why)))
    context.terminal.table(rows)
    if plan.of(Verdict.NEW, Verdict.DIFFERS):
        context.terminal.note("Nothing was changed. Do it with --apply.")


def _show_taken(context: Context, came: _Came) -> None:
    taken = came.taken
    renamed = getattr(came, "renamed", None)
    if context.as_json:
        told = {
            "new": taken.new,
            "replaced": taken.replaced,
            "same": taken.same,
            "left": [_item(e) for e in taken.left],
        }
        advice = [{"remedy": each.remedy, "text": each.text, "names": each.names} for each in came.advice]
        context.terminal.document(
            {"applied": True, **told, "advice": advice, "renamed": str(renamed) if renamed else None}
        )
        return
    context.terminal.say(
        f"{words.plural(len(taken.names), 'secret')} in the vault: {', '.join(taken.names) or 'none'}."
    )
    for item in taken.left:
        context.terminal.note(f"Not taken: {plain(item.name or item.shown)}. {plain(item.why)}")
    if renamed:
        context.terminal.note(f"The old file lies in {plain(renamed)} now.")
    if stays := getattr(came, "stays", ""):
        context.terminal.note(plain(stays))
    for each in came.advice:
        context.terminal.note(plain(each.text))


def _item(item: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a line of a plan
    return {**asdict(item), "verdict": str(item.verdict)}


def _env_line(name: str, value: bytes) -> str:
    """Return a line of a .env file: in single quotes, where nothing is expanded, with what ends them escaped."""
    text = value.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{text}'\n"


def _exported(context: Context, path: Path, note: str) -> int:
    if context.as_json:
        context.terminal.document({"exported": str(path)})
    else:
        context.terminal.say(f"{plain(path)} is written.")
        context.terminal.note(note)
    return 0
