"""Keys of the vault for AWS, opened when the first one is asked for."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import SecretError, SecretMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.cli.context import Context
    from app.cli.launchers import SecretOf
    from app.keys.usual import UsualVault

GIVEN = "WATCHKEEPER_AWS_KEYS"
"""The variable by which a running instance says whose keys its program has in its environment."""


@contextmanager
def secret_of(context: Context, program: str) -> Iterator[SecretOf]:
    """Give what gets secrets of the vault, which is opened once, and locked behind.

    Args:
        context: The command line.
        program: What the access log calls it.
    """
    with ExitStack() as stack:
        vault: UsualVault | None = None

        def secret(name: str, why: str) -> str:
            nonlocal vault
            given = _given(name, context.environ)
            if given is not None:
                return given
            if vault is None:
                from app.cli.keys.vaults import opened

                vault = stack.enter_context(opened(context, program))
            from app.keys.log.chain import Action

            try:
                return vault.vault.get(name, why=why, action=Action.USE).decode("ascii")
            except UnicodeDecodeError:
                raise SecretError(
                    f"The value of {name} is no key of AWS.", f"Set it anew: watchkeeper keys set {name}"
                ) from None

        yield secret


def _given(name: str, environ: Mapping[str, str]) -> str | None:
    """Return what a running instance gave this program; None where it gave nothing.

    Raises:
        SecretMissing: It gave keys, and this one is not among them.
    """
    whose = environ.get(GIVEN, "")
    if not whose or not name.startswith(f"{whose}_"):
        return None
    value = environ.get(f"AWS_{name.removeprefix(f'{whose}_')}", "")
    if not value:
        raise SecretMissing(f"The vault holds no {name}.", f"Set it: watchkeeper keys set {name}")
    return value
