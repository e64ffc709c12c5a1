"""What the agent does by itself: explain what broke and stays broken, in measure, and say how the asking stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.analysis.automatic import AT_ONCE, HOUR_S, RETRY_S, SETTLE_S, Rate, candidates
from app.agents.analysis.language import language_of
from app.agents.analysis.settings import AnalysisSettings
from app.domain.analysis import ExplainStage, When
from app.domain.errors import SettingsError
from app.domain.events import AnalysisChanged, NoticeRaised, VerdictChanged
from app.domain.verdicts import Cause, CauseKind
from app.engine.settings import validate
from tests.agents.analysis.conftest import ANSWER, OUTPUT, Desk, at_work, desk_at, green, red
from tests.ai.modelserver import ModelServer, answers, failing

if TYPE_CHECKING:
    from pathlib import Path

NODE = "test_shop.py::test_total"


def stage(desk: Desk, nodeid: str = NODE) -> ExplainStage | None:
    explained = desk.bus.snapshot.projects[desk.project].explained.get(nodeid)
    return explained.stage if explained is not None else None


async def test_always_explains_what_stays_red(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """A test that is still red after a moment is explained, although nobody asked."""
    server.always(answers(ANSWER))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always")
        await desk.agree()

        desk.run(red())
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: stage(desk) is ExplainStage.EXPLAINED)

    assert len(server.asked) == 1


async def test_what_is_green_again_in_a_moment_costs_nothing(
    tmp_path: Path, server: ModelServer, fake_clock: Any
) -> None:
    """Red in the middle of an edit is no reason to ask."""
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always")
        await desk.agree()

        desk.run(red(), red("test_shop.py::test_other"))
        desk.run(green(), red("test_shop.py::test_other"), told=False)
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: stage(desk, "test_shop.py::test_other") is ExplainStage.EXPLAINED)

        assert stage(desk) is None
    assert len(server.asked) == 1


@pytest.mark.parametrize("when", ["ask", "never"])
async def test_nothing_is_asked_by_itself_otherwise(
    tmp_path: Path, server: ModelServer, fake_clock: Any, when: str
) -> None:
    """With `when` at ask or never a red test starts no question."""
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when=when)
        await desk.agree()

        desk.run(red())
        await fake_clock.pass_time(10 * SETTLE_S)

        assert stage(desk) is None
    assert server.asked == []


async def test_one_change_asks_few_questions(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """Of a hundred different failures the first few are explained; the others wait for the person."""
    server.always(answers(ANSWER))
    reds = [red(f"test_shop.py::test_{number}", OUTPUT.replace("total", f"total_{number}")) for number in range(100)]
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always")
        await desk.agree()

        desk.run(*reds)
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: sum(stage(desk, each.nodeid) is ExplainStage.EXPLAINED for each in reds) >= AT_ONCE)

    assert len(server.asked) == AT_ONCE


async def test_what_could_not_be_asked_is_caught_up(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """A service that was away is asked again while the test is red, and the answer comes then."""
    server.always(failing(503))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always", deadline_seconds=5.0)
        await desk.agree()
        desk.run(red())
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: stage(desk) is ExplainStage.UNANSWERED)

        server.always(answers(ANSWER))
        async with asyncio.timeout(20):
            while stage(desk) is not ExplainStage.EXPLAINED:
                await fake_clock.pass_time(RETRY_S)

    assert stage(desk) is ExplainStage.EXPLAINED


async def test_a_service_that_is_away_degrades_this_agent_and_says_why(
    tmp_path: Path, server: ModelServer, fake_clock: Any
) -> None:
    """When its breaker opens the agent is degraded with the reason, and well again when the service is."""
    server.always(failing(500))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock) as health:
        desk.set(deadline_seconds=5.0)
        await desk.agree()
        for number in range(6):
            desk.run(red(output=OUTPUT.replace("2 == 3", f"2 == {number + 3}")))
            await desk.explained(again=True)
        await fake_clock.pass_time(30)
        degraded = list(health)

        server.always(answers(ANSWER))
        async with asyncio.timeout(20):
            while health[-1]:
                await fake_clock.pass_time(60)
                await desk.explained(again=True)
                await fake_clock.pass_time(30)

    assert any("failed too often" in reason for reason in degraded)
    assert health[-1] == ""


async def test_the_view_tells_who_is_asked_and_what_was_spent(desk: Desk) -> None:
    """The snapshot has providers, spending and limits, and follows both."""
    desk.server.always(answers(ANSWER, usage=(1_000, 200)))
    desk.set(tokens_per_day=50_000)
    async with at_work(desk, desk.asking.models._clock):
        await desk.until(lambda: bool(desk.bus.snapshot.analysis.providers))
        first = desk.bus.snapshot.analysis
        desk.run(red())
        await desk.agree()
        await desk.explained()
        await desk.until(lambda: desk.bus.snapshot.analysis.tokens_today > 0)

    view = desk.bus.snapshot.analysis
    assert [(each.name, each.host, each.model) for each in first.providers] == [
        ("custom", desk.server.host, "stand-in-1")
    ]
    assert (first.when, first.tokens_limit, first.tokens_today) == (When.ASK, 50_000, 0)
    assert (view.tokens_today, view.cost_today) == (1_200, pytest.approx(0.0014))
    assert desk.of(AnalysisChanged)


async def test_a_provider_that_is_set_up_wrongly_is_named(desk: Desk) -> None:
    """A notice names the setting, and the others are asked all the same."""
    desk.set(custom=desk.changes["custom"].model_copy(update={"base_url": "ftp://x"}), providers=("custom", "ollama"))

    async with at_work(desk, desk.asking.models._clock):
        await desk.until(lambda: bool(desk.of(NoticeRaised)))

    (notice,) = desk.of(NoticeRaised)
    assert "analysis.custom.base_url" in f"{notice.text} {notice.hint}"
    assert [provider.name for provider in desk.asking.models.providers] == ["ollama"]


def test_a_rate_is_by_the_hour() -> None:
    """So many are allowed in an hour, and again as the oldest are an hour ago; what is given back counts no more."""
    now = 0.0
    rate = Rate(lambda: now, lambda: 2)

    first = [rate.allows() for _ in range(3)]
    rate.give_back()
    again = [rate.allows() for _ in range(2)]
    now = HOUR_S
    later = [rate.allows() for _ in range(3)]

    assert first == [True, True, False]
    assert again == [True, False]
    assert later == [True, True, False]


def test_parameters_of_one_test_are_one_candidate() -> None:
    """Whole tests come before files that cannot be collected, and parameters of a test are asked about once."""
    event = VerdictChanged(
        at=0,
        project="/p",
        run_id="r",
        cause=Cause(CauseKind.SAVE),
        broke=("t.py", "t.py::a[1]", "t.py::a[2]", "t.py::b"),
    )

    assert candidates(event) == ("t.py::a[1]", "t.py::b", "t.py")


@pytest.mark.parametrize(
    ("setting", "environ", "expected"),
    [
        ("", {"LANG": "ru_RU.UTF-8"}, "Russian"),
        ("", {"LANG": "C.UTF-8"}, "English"),
        ("", {"LC_ALL": "de_DE", "LANG": "ru_RU.UTF-8"}, "German"),
        ("", {"LANG": "Russian_Russia"}, "Russian"),
        ("ru", {"LANG": "de_DE"}, "Russian"),
        ("Esperanto", {"LANG": "de_DE"}, "Esperanto"),
    ],
)
def test_the_language_is_the_persons(setting: str, environ: dict[str, str], expected: str) -> None:
    """The setting decides, else the system, as POSIX and Windows say it."""
    assert language_of(setting, environ) == expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"providers": ["deepsek"]}, "deepseek"),
        ({"deepseek": {"prices": [1.0]}}, "two prices"),
        ({"when": "sometimes"}, "never"),
        ({"prompt_tokens": 10}, "1000"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, document: dict[str, Any], said: str) -> None:
    """Who writes a setting wrong is told what is allowed."""
    with pytest.raises(SettingsError, match=said):
        validate(AnalysisSettings, document, path=tmp_path / "settings.toml", text="")
