"""Where the program's folders lie, and that they are the user's own."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from app.domain.errors import CannotError
from app.engine.places import LONGEST_SOCKET_PATH, Places, require_private

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders of POSIX systems")


def test_a_home_moves_everything_under_one_folder(tmp_path: Path) -> None:
    """WATCHKEEPER_HOME holds settings, data, cache, logs and runtime folder."""
    home = Path("/h")

    places = Places.find({"WATCHKEEPER_HOME": str(home)})

    assert {each.parent for each in places.all()} == {home}
    assert len(set(places.all())) == 5
    assert not list(tmp_path.iterdir())


def test_an_empty_home_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a WATCHKEEPER_HOME the folders are the operating system's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    places = Places.find({"WATCHKEEPER_HOME": ""})

    if sys.platform == "linux":
        assert places.settings == tmp_path / "config" / "watchkeeper"
    assert all(each.is_absolute() for each in places.all())


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative WATCHKEEPER_HOME starts from the current folder."""
    monkeypatch.chdir(tmp_path)

    assert Places.find({"WATCHKEEPER_HOME": "h"}).data == tmp_path / "h" / "data"


def test_a_home_that_is_a_file_is_refused_in_words(tmp_path: Path) -> None:
    """A WATCHKEEPER_HOME that is a file is named, with what to do."""
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(CannotError, match="no folder") as caught:
        Places.find({"WATCHKEEPER_HOME": str(file)})

    assert str(file) in caught.value.message
    assert caught.value.hint


def test_folders_are_for_the_user_alone(tmp_path: Path) -> None:
    """All folders are created with mode 0700, those above them too, whatever the umask."""
    home = tmp_path / "a" / "b"
    places = Places.find({"WATCHKEEPER_HOME": str(home)})
    old = os.umask(0)

    try:
        places.create()
        places.create()
    finally:
        os.umask(old)

    modes = {stat.S_IMODE(each.stat().st_mode) for each in (*places.all(), home, home.parent)}
    if places.runtime.parent != home:
        shutil.rmtree(places.runtime)
    assert modes == {0o700}


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    """A folder in whose way something stands is named, with what to do."""
    places = Places.find({"WATCHKEEPER_HOME": str(tmp_path)})
    places.data.touch()

    with pytest.raises(CannotError, match="data cannot be created"):
        places.create()


@pytest.mark.parametrize("length", [20, 90, 100, 200])
def test_the_sockets_path_fits_the_kernel(length: int) -> None:
    """However deep the home lies, the socket's path fits `sun_path`, and is always the same."""
    home = "/" + "h" * length

    first, second = (Places.find({"WATCHKEEPER_HOME": home}) for _ in range(2))

    assert len(os.fsencode(first.socket)) <= LONGEST_SOCKET_PATH
    assert first.socket == second.socket
    assert Places.find({"WATCHKEEPER_HOME": home + "x"}).socket != first.socket


def test_a_proper_session_folder_is_used_and_a_shared_one_is_not(tmp_path: Path) -> None:
    """XDG_RUNTIME_DIR counts only when it is the user's own with mode 0700, as its specification asks."""
    if sys.platform == "darwin":
        return
    session = tmp_path / "run"
    session.mkdir(mode=0o700)

    proper = Places.find({"XDG_RUNTIME_DIR": str(session)}).runtime
    session.chmod(0o755)
    shared = Places.find({"XDG_RUNTIME_DIR": str(session)}).runtime

    assert proper == session / "watchkeeper"
    assert not shared.is_relative_to(session)


def test_a_link_in_the_place_of_the_runtime_folder_is_refused(tmp_path: Path) -> None:
    """Somebody else's link under the expected name is not followed."""
    (tmp_path / "real").mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")

    with pytest.raises(CannotError, match="link"):
        require_private(link)


def test_an_own_folder_that_is_too_open_is_narrowed(tmp_path: Path) -> None:
    """A runtime folder with rights for others loses them."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    require_private(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
