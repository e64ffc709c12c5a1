"""The vault, and the agent that looks after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from app.agents.settings_in_force import SettingsInForce
    from app.engine.notices import Notices
    from app.engine.supervisor import Supervisor
    from app.house.ground import Ground
    from app.keys.manager import KeyManager


def vault(ground: Ground, in_force: SettingsInForce, notices: Notices, *, attended: bool) -> KeyManager:
    """Return the vault; servers that the settings name wrongly are told of, and left out."""
    from app.domain.errors import SettingsError
    from app.keys.manager import KeyManager
    from app.keys.usual import usual_vault

    try:
        servers = in_force.current.keys.servers(os.environ).slots()
    except SettingsError as error:
        notices.show("key-servers", error.message, error.hint)
        servers = ()
    return KeyManager(
        usual_vault(ground.places.keys, ground.clock, program="watchkeeper", with_person=attended, servers=servers),
        publish=ground.bus.publish,
        clock=ground.clock,
        redactor=ground.log.redactor,
        rotate_days=lambda: in_force.current.keys.rotate_days,
    )


def key_rotation(
    ground: Ground, in_force: SettingsInForce, keys: KeyManager, supervisor: Supervisor
) -> AbstractContextManager[object]:
    """Have an agent look after the vault, and answer what faces ask of it until what is returned is left."""
    from app.agents.keyrotation.agent import KeyRotation
    from app.agents.keyrotation.answers import answer
    from app.engine.sleepwatch import elapsed_s

    bus, clock = ground.bus, ground.clock
    supervisor.add(
        KeyRotation(keys, settings=lambda: in_force.current.keys, publish=bus.publish, clock=clock, elapsed=elapsed_s)
    )
    return answer(bus, keys)
