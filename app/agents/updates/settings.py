"""What a person may set of the search for newer releases."""

from __future__ import annotations

from pydantic import Field

from app.engine.settings import Section


class UpdateSettings(Section):
    """The section `[updates]`; it counts only in an installed package that says where releases are announced."""

    enabled: bool = Field(
        default=False, description="Ask now and then whether a newer Watchkeeper is released; nothing is ever installed"
    )
    every_hours: float = Field(default=24.0, ge=1, le=720, description="How often it is asked, in hours")
