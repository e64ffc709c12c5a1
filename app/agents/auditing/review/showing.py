"""Parts of a change as a model may see them: nothing in them that the check of secrets or Privacy takes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.scanner import own_scanner
from app.ai.framing import harmless

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from app.agents.auditing.checks.secrets.scanner import Scanner
    from app.ai.failures.privacy import Privacy
    from app.ai.review.parts import Part, Shown


class Showing:
    """Makes them. To be made in a thread, and used by one at a time.

    Args:
        privacy: Takes out secrets and personal details.
        nonce: That of the frame in which they are shown.
    """

    def __init__(self, privacy: Privacy, nonce: str) -> None:
        self._privacy = privacy
        self._nonce = nonce
        self._scanner = own_scanner()

    def shown(self, parts: Iterable[Part]) -> list[Shown]:
        """Return parts as they are shown. Blocks."""
        return [self._shown(part) for part in parts]

    def _shown(self, part: Part) -> Shown:
        def clean(text: str) -> str:
            return self._privacy.clean(_without_secrets(self._scanner, text, part.path))

        return part.shown(harmless(clean, self._nonce))


def _without_secrets(scanner: Scanner, text: str, path: str) -> str:
    """Return a text in which nothing stands that the check of secrets takes for one; it has as many lines as before."""
    data = text.encode("utf-8", "surrogatepass")
    pieces, behind = [], 0
    for start, end in _merged(scanner.scan(data, path).hidden):
        pieces += [data[behind:start], b"[secret]", b"\n" * data.count(b"\n", start, end)]
        behind = end
    return b"".join([*pieces, data[behind:]]).decode("utf-8", "replace")


def _merged(spans: Collection[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start, end = 0, 0
    for begin, until in sorted(spans):
        if begin > end:
            if end > start:
                yield start, end
            start = begin
        end = max(end, until)
    if end > start:
        yield start, end
