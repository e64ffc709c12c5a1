"""The dashboard and the alert rules that come along speak of metrics that exist, and each metric is shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MONITORING = Path(__file__).parents[2] / "resources" / "monitoring"
DASHBOARD = MONITORING / "grafana-dashboard.json"
RULES = MONITORING / "prometheus-rules.yml"
RULES_TEST = Path(__file__).with_name("rules-test.yml")

NOT_SHOWN: dict[str, str] = {}
"""Metrics that are on no panel, and why."""


def _named(text: str) -> set[str]:
    """Return the metrics that a text speaks of; a histogram's parts go by its name."""
    found = re.findall(r"\bwatchkeeper_[a-z0-9_]+", text)
    return {re.sub(r"_(bucket|count|sum)$", "", each) for each in found}


def _exported(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


def _panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if each["type"] != "row"]


def _expressions() -> Iterator[str]:
    for panel in _panels():
        for target in panel["targets"]:
            yield target["expr"]


def test_each_metric_of_dashboard_and_rules_is_exported(whole_story: Any) -> None:
    """No panel stays empty and no alert silent because a name was changed."""
    exported = _exported(whole_story.text())

    assert _named(DASHBOARD.read_text("utf-8")) - exported == set()
    assert _named(RULES.read_text("utf-8")) - exported == set()


def test_each_metric_is_on_the_dashboard_or_has_a_reason(whole_story: Any) -> None:
    """What is exported is worth a panel, or it is said why not."""
    shown = _named("\n".join(_expressions()))

    assert _exported(whole_story.text()) - shown - NOT_SHOWN.keys() == set()
    assert NOT_SHOWN.keys() & shown == set()


def test_each_label_of_dashboard_and_rules_is_exported(whole_story: Any) -> None:
    """A selector on a label or a value that no series has selects nothing."""
    text = whole_story.text()
    known = set(re.findall(r'([a-z]+)="', text)) | {"instance", "job", "le"}
    values = set(re.findall(r'="([^"]*)"', text))
    said = "\n".join((*_expressions(), RULES.read_text("utf-8")))

    labels = set(re.findall(r'([a-z]+) ?(?:=~|!~|!=|=)"', said)) | {
        each.strip() for group in re.findall(r"\bby \(([^)]*)\)", said) for each in group.split(",")
    }
    matched = {each for part in re.findall(r'(?:=~|!~|!=|=)"([^"$]+)"', said) for each in part.split("|")}

    assert labels - known == set()
    assert matched - values - {"watchkeeper"} == set()


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """Its data source is chosen when it is looked at, ids are unique, and panels do not lie over each other."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    cells = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]

    assert dashboard["id"] is None
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    assert {each["datasource"]["uid"] for each in _panels()} == {"${datasource}"}
    assert {target["datasource"]["uid"] for each in _panels() for target in each["targets"]} == {"${datasource}"}
    assert len({each["id"] for each in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert [each["title"] for each in _panels() if not each["description"].endswith(".")] == []


def test_each_alert_waits_and_says_what_to_do() -> None:
    """A blip wakes nobody, and who is woken has a command or a place to go to."""
    alerts = RULES.read_text("utf-8").split("- alert: ")[1:]

    assert len(alerts) >= 20
    for alert in alerts:
        name = alert.partition("\n")[0]
        assert re.search(r"^ +for: \d+[smhd]$", alert, re.MULTILINE), name
        assert re.search(r"severity: (warning|critical)", alert), name
        assert re.search(r"^ +summary: \S.*\.", alert, re.MULTILINE), name
        assert re.search(r"description: >-\n(?: +.*\n?)+", alert), name
        assert "`" in alert.partition("description:")[2], name


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    """The rules' own tests forget none."""
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text("utf-8")))

    tried = set(re.findall(r"alertname: (\w+)", RULES_TEST.read_text("utf-8")))

    assert tried == alerts


@pytest.fixture
def promtool() -> str:
    """Prometheus' own judge."""
    found = shutil.which("promtool")
    assert found, "promtool is missing: it comes with the package prometheus"
    return found


def _judged(*command: str, told: str = "", cwd: Path | None = None) -> str:
    """Run a judge, and return what it objects to: empty when nothing."""
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False, cwd=cwd)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.slow
def test_prometheus_has_nothing_to_say_against_the_metrics(promtool: str, whole_story: Any) -> None:
    """Its linter knows the conventions: base units, `_total`, help texts, no types in names."""
    assert _judged(promtool, "check", "metrics", told=whole_story.text()) == ""


@pytest.mark.slow
def test_prometheus_takes_the_rules_and_each_fires_when_it_should(promtool: str, tmp_path: Path) -> None:
    """Rules and scrape settings are valid, and the cases beside them come out as written: firing, and not firing."""
    # Words are compared to the letter by this tool, and are not what is tried here.
    bare = re.sub(r"^ {8}annotations:\n(?: {10}.*\n?)+", "", RULES.read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / RULES.name).write_text(bare, "utf-8")
    shutil.copy(RULES_TEST, tmp_path)

    assert _judged(promtool, "check", "config", "prometheus-scrape.yml", cwd=MONITORING) == ""
    assert _judged(promtool, "test", "rules", RULES_TEST.name, cwd=tmp_path) == ""


@pytest.mark.slow
def test_prometheus_takes_each_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    """Each is a rule to it, once the page's variables have values."""
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__rate_interval", "5m", each).replace("$", "")}
        for number, each in enumerate(_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")

    assert _judged(promtool, "check", "rules", str(file)) == ""
