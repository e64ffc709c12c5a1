"""What `doctor` looks at of the program and its settings: tray, models, alerts, metrics, versions, earlier lives."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from app.cli.doctor.check import Check, Level, Look
from app.domain import healthwords, modelwords, words
from app.domain.addresses import is_this_machine
from app.domain.keys import VaultState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.settings import AlertSettings, Settings
    from app.cli.doctor.check import Scene
    from app.engine.places import Places

_RECENT_S = 7 * 86_400.0
"""An end that is older than a week is history."""
_SETTINGS_BAD = "The settings would tell, and they are not good."


def looks(scene: Scene) -> list[Look]:
    """Return the checks."""
    places, settings, snapshot = scene.places, scene.settings, scene.snapshot
    return [
        Look("tray", lambda: tray(snapshot)),
        Look("models", lambda: models(settings, snapshot)),
        Look("alerts", lambda: alerts(settings, snapshot)),
        Look("metrics", lambda: metrics(settings, snapshot)),
        Look("version", lambda: version(places, snapshot)),
        Look("ends", lambda: ends(places, snapshot, time.time())),
        Look(
            "autostart",
            lambda: autostart(scene.environ),
            "What starts programs at login does not answer.",
            "Try it: watchkeeper autostart status",
        ),
    ]


def tray(snapshot: Mapping[str, Any] | None) -> Check:
    """Tell what the running instance knows of its tray."""
    if snapshot is None:
        return Check("tray", Level.UNKNOWN, "The running instance would know, and none runs.")
    for key, notice in snapshot["notices"].items():
        if key.startswith("tray"):
            return Check("tray", Level.WARN, notice["text"], notice["hint"])
    return Check("tray", Level.OK, "the running instance reports no trouble with it")


def models(settings: Settings | None, snapshot: Mapping[str, Any] | None) -> Check:
    """Look at who would be asked, by the settings and by what the running instance knows; nobody is asked for it."""
    from app.agents.analysis.asking import providers_of

    if settings is None:
        return Check("models", Level.UNKNOWN, _SETTINGS_BAD)
    analysis = settings.analysis
    if analysis.when == "never":
        return Check("models", Level.OK, "none is asked: that is what the settings say")
    providers, trouble, hint = providers_of(analysis)
    if trouble:
        return Check("models", Level.FAIL, trouble, hint)
    if not providers:
        hint = "Name one: watchkeeper config set analysis.providers deepseek"
        return Check("models", Level.WARN, "No provider is set up, so failures are explained without one.", hint)
    named = ", then ".join(f"{each.name} ({each.model} at {each.host})" for each in providers)
    when = {"ask": "when you ask", "always": "by itself"}[analysis.when]
    for view in (snapshot or {}).get("analysis", {}).get("providers", ()):
        if view["reason"]:
            text = f"{when}: {named}. Not now: {view['name']}: {view['reason']}"
            return Check(
                "models",
                Level.WARN,
                text,
                "A missing key: watchkeeper keys set NAME. Of all else, `watchkeeper logs` tells more.",
            )
    unpriced = [each.name for each in providers if each.price is None]
    unlimited = modelwords.unlimited(unpriced) if analysis.dollars_per_day else ""
    level = Level.WARN if unlimited else Level.OK
    return Check("models", level, f"{when}: {named}", f"{unlimited[:1].upper()}{unlimited[1:]}")


def alerts(settings: Settings | None, snapshot: Mapping[str, Any] | None) -> Check:
    """Look whether each channel is set up as a whole, and whether the vault holds what it needs, by name alone."""
    if settings is None:
        return Check("alerts", Level.UNKNOWN, _SETTINGS_BAD)
    told = settings.alerts
    half = _half_done(told)
    if half is not None:
        return Check("alerts", Level.WARN, *half)
    needs = _needs(told)
    if not needs:
        return Check("alerts", Level.OK, "this desktop alone, as the settings say")
    named = ", ".join(healthwords.channel_name(channel) for channel in needs)
    for channel in (snapshot or {}).get("health", {}).get("channels", {}).values():
        if channel["reason"]:
            text = f"{named}. Not now: {healthwords.channel_name(channel['name'])}: {channel['reason']}"
            return Check("alerts", Level.WARN, text, channel.get("hint") or healthwords.CHANNEL_HINT)
    return _with_vault(named, needs, (snapshot or {}).get("vault", {}))


def _with_vault(named: str, needs: Mapping[str, str], vault: Mapping[str, Any]) -> Check:
    """Look whether the running instance's vault holds what the channels need; names are known while it is open."""
    secrets = sorted({secret for secret in needs.values() if secret})
    if vault.get("state") != VaultState.OPEN:
        also = f"; whether the vault holds {', '.join(secrets)} is known once it is open" if secrets else ""
        return Check("alerts", Level.OK, f"{named}{also}")
    held = {secret["name"] for secret in vault.get("secrets", ())}
    missing = [secret for secret in secrets if secret not in held]
    if missing:
        text = f"{named}, and the vault holds no {', '.join(missing)}."
        return Check("alerts", Level.WARN, text, f"Put it there: watchkeeper keys set {missing[0]}")
    return Check("alerts", Level.OK, f"{named}, and the vault holds what they need")


def metrics(settings: Settings | None, snapshot: Mapping[str, Any] | None) -> Check:
    """Look where metrics are served, or whether the port is free for them."""
    if settings is None:
        return Check("metrics", Level.UNKNOWN, _SETTINGS_BAD)
    served = (snapshot or {}).get("health", {}).get("metrics", "")
    if served:
        return Check("metrics", Level.OK, f"served at {served}")
    if not settings.metrics.enabled:
        return Check(
            "metrics", Level.OK, "not served; switch them on with: watchkeeper config set metrics.enabled true"
        )
    port = settings.metrics.port
    if snapshot is not None:
        hint = f"Choose another port: watchkeeper config set metrics.port {min(port + 20, 65_535)}"
        return Check("metrics", Level.WARN, f"The running instance serves none at port {port} or above.", hint)
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            hint = f"Choose another one: watchkeeper config set metrics.port {min(port + 20, 65_535)}"
            text = f"Port {port} is taken ({error.strerror or error}); one of the next ten would be tried."
            return Check("metrics", Level.WARN, text, hint)
    return Check("metrics", Level.OK, f"would be served at port {port}, which is free")


def version(places: Places, snapshot: Mapping[str, Any] | None) -> Check:
    """Tell this version, and whether the running instance is of another."""
    from app import __version__
    from app.cli.lastlife import read_heartbeats

    beats = read_heartbeats(places)
    if snapshot is not None and beats is not None and beats.version not in ("", __version__):
        text = f"{__version__} here, and the running instance is {beats.version}."
        return Check("version", Level.WARN, text, "Start it again: watchkeeper stop, then watchkeeper")
    return Check("version", Level.OK, __version__)


def ends(places: Places, snapshot: Mapping[str, Any] | None, now: float) -> Check:
    """Tell how earlier lives ended that did not end in an orderly way."""
    from app.cli.lastlife import last_word, read_heartbeats
    from app.engine.lives import known_ends

    found = [end for end in known_ends(places) if now - end.at < _RECENT_S]
    hint = "Make a report of it, which holds no secrets: watchkeeper doctor bundle"
    beats = read_heartbeats(places)
    if snapshot is None and beats is not None and (word := last_word(beats, now)):
        return Check("ends", Level.WARN, word, hint)
    if found:
        text = f"{words.ago(now - found[0].at)}: {healthwords.ended(found[0])}"
        more = f" And {words.plural(len(found) - 1, 'more bad end')} in the last week." if len(found) > 1 else ""
        return Check("ends", Level.WARN, f"{words.sentence(text)}.{more}", hint)
    return Check("ends", Level.OK, "no life of the last week ended badly, as far as is known")


def autostart(environ: Mapping[str, str]) -> Check:
    """Tell whether Watchkeeper starts with the session, and what is wrong with that."""
    from app.system.autostart.here import autostart_here

    found = autostart_here(environ).status()
    if found.troubles:
        trouble = found.troubles[0]
        return Check("autostart", Level.WARN, trouble.text, trouble.hint or "Mend it: watchkeeper autostart repair")
    if not found.active:
        text = "it does not start with your session; have it so with: watchkeeper autostart enable"
        return Check("autostart", Level.OK, text)
    entry = found.active[0]
    return Check("autostart", Level.OK, f"starts with your session, by {entry.method.value}: {entry.where}")


def _needs(told: AlertSettings) -> dict[str, str]:
    """Return the channels that are on, each with the name of the secret that it needs; empty for none."""
    needs = {}
    if told.mail.host and told.mail.to:
        needs["mail"] = told.mail.password if told.mail.user else ""
    if told.telegram.chat:
        needs["telegram"] = told.telegram.token
    if told.webhook.form:
        needs["webhook"] = told.webhook.url
    return needs


def _half_done(told: AlertSettings) -> tuple[str, str] | None:
    """Return what is missing of a channel that was set up in part, and how to add it; None when nothing is."""
    mail = told.mail
    if mail.host and not mail.to:
        return "Mail has a server, and nobody to write to.", "Say who: watchkeeper config set alerts.mail.to you@host"
    if mail.to and not mail.host:
        return "Mail has somebody to write to, and no server.", "Name it: watchkeeper config set alerts.mail.host HOST"
    if mail.host and not any("@" in each for each in (mail.sender, mail.user)):
        return "Mail has no address to come from.", "Give it one: watchkeeper config set alerts.mail.sender me@host"
    if mail.host and mail.security == "none" and not is_this_machine(mail.host):
        text = "Mail is set to go unencrypted to another machine, which is refused."
        return text, "Encrypt it: watchkeeper config set alerts.mail.security starttls"
    for name, on, secret, key in (
        ("mail", mail.host and mail.user, mail.password, "alerts.mail.password"),
        ("Telegram", told.telegram.chat, told.telegram.token, "alerts.telegram.token"),
        ("the webhook", told.webhook.form, told.webhook.url, "alerts.webhook.url"),
    ):
        if on and not secret:
            return f"No secret is named for {name}.", f"Name it: watchkeeper config set {key} NAME_IN_THE_VAULT"
    return None
