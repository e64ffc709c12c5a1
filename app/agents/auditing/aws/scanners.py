"""The scanners that there are, by their services. Each is imported when it is first wanted."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from app.agents.auditing.aws.shape import Rule, Scanner

_PLACES = {
    "s3": ("app.agents.auditing.aws.s3.scanner", "S3Scanner"),
    "iam": ("app.agents.auditing.aws.iam.scanner", "IAMScanner"),
    "ec2": ("app.agents.auditing.aws.ec2.scanner", "EC2Scanner"),
}


class _Scanners(Mapping[str, "Scanner"]):
    """Scanners that are made, and imported, when they are asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Scanner] = {}

    def __getitem__(self, service: str) -> Scanner:
        if service not in self._made:
            module, name = _PLACES[service]
            self._made[service] = getattr(import_module(module), name)()
        return self._made[service]

    def __contains__(self, service: object) -> bool:
        return service in _PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def scanners() -> Mapping[str, Scanner]:
    """Return a scanner for each service; that of a service is imported when it is first looked up."""
    return _Scanners()


def for_rules(found: Mapping[str, Scanner], rules: Collection[str]) -> Mapping[str, Scanner]:
    """Return the scanners that rules are of, by their services; the others are not looked up.

    Args:
        found: Scanners by their services.
        rules: Ids of rules, which begin with their service; those of none that is there are passed over.
    """
    wanted = {each.partition("-")[0] for each in rules}
    return {service: found[service] for service in found if service in wanted}


def rules_of(found: Mapping[str, Scanner]) -> Mapping[str, Rule]:
    """Return all rules of scanners by their ids.

    Args:
        found: Scanners by their services.
    """
    return {rule.id: rule for scanner in found.values() for rule in scanner.rules}
