"""From documents of the socket back to values of the domain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.ai.documents import of_document
from app.control import protocol
from app.domain.analysis import (
    AnalysisView,
    Conversation,
    Explanation,
    PromptPreview,
    Reply,
    Usage,
)
from app.domain.errors import InstanceUnreachable

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("kind", [Conversation, Explanation, PromptPreview, Reply, AnalysisView])
def test_a_document_becomes_the_value_that_it_was(kind: type[Any]) -> None:
    """Whatever the socket tells of the domain is read back as it was."""
    st.register_type_strategy(float, _FLOATS)

    @given(st.from_type(kind))
    def told(value: object) -> None:
        assert of_document(kind, json.loads(protocol.dump(value))) == value

    told()


def test_an_instance_of_another_release_is_understood_as_far_as_it_goes() -> None:
    """What is told beyond is left out, what is missing has its default, and a whole number will do for a length."""
    told = {"conversation": "c", "seq": 1, "text": "", "length": 0, "is_done": True, "mood": "new", "usage": {}}

    found = of_document(Reply, {**told, "usage": {"latency_s": 2}})

    assert found == Reply("c", 1, "", 0, is_done=True, usage=Usage(latency_s=2.0))


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"conversation": 1, "seq": 1, "text": "", "length": 0, "is_done": True},
        {"conversation": "c", "seq": True, "text": "", "length": 0, "is_done": True},
        {"conversation": "c", "seq": 1, "text": "", "length": 0, "is_done": True, "usage": []},
    ],
)
def test_what_is_no_such_document_is_refused(told: object) -> None:
    """With what to do: both sides are to be of one release."""
    with pytest.raises(InstanceUnreachable) as caught:
        of_document(Reply, told)

    assert "one release" in caught.value.hint
