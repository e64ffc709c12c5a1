"""A full disk under the vault: what was there stays, a person is told, and it goes on when there is room again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import VaultError, VaultIOError
from app.keys.slots.recovery import RecoverySlot
from tests.faults.vaults import CODE, REPOSITORY, FileAnchor, Place, put, rotate, rotate_master

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.keys.vault.vault import Vault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tmpfs and file size limits as Linux has them")

SMALL = "256k"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system; the test with a limit on file sizes runs all the same")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 512, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast


@pytest.mark.parametrize(
    "act",
    [
        lambda vault: put(vault, "NEW", b"new"),
        rotate,
        rotate_master,
        lambda vault: vault.restore(vault.backups[0]),
        lambda vault: vault.get("A"),
    ],
    ids=["save", "data key", "master key", "restore", "get"],
)
def test_row_29_on_a_full_disk_nothing_is_lost(
    small_disk: Path, tmp_path: Path, act: Callable[[Vault], object]
) -> None:
    """ENOSPC: an error that names the file and what to do, the same file as before, and success when there is room."""
    place = Place(small_disk)
    vault = place.make(LARGE=bytes(9_000), A=b"value", B=b"value")
    vault._anchoring._anchor = FileAnchor(tmp_path / "anchor.json")  # the keychain is not on that disk
    vault.anchor_log()
    before = place.file.read_bytes()
    ballast = fill(small_disk)
    with suppress(VaultIOError):
        for _ in range(4096):  # what is left of the log's last page is used up as well
            vault.get("A")

    with pytest.raises(VaultIOError) as told:
        act(vault)

    assert "No space left on device" in told.value.message
    assert told.value.hint
    assert place.file.read_bytes() == before
    assert not list(place.folder.rglob(".wk-*"))
    ballast.unlink()
    act(vault)
    assert place.log.verify(vault.log_keys(), None).problems == ()
    vault.lock()
    again = place.vault()
    again._anchoring._anchor = FileAnchor(tmp_path / "anchor.json")
    again.unlock([RecoverySlot(CODE)])
    assert again.get("LARGE") == bytes(9_000)


LIMITED = """
import json, resource, sys
from pathlib import Path
from app.domain.errors import VaultIOError
from tests.faults.vaults import Place, put

place = Place(Path(sys.argv[1]))
vault = place.opened()
before = place.file.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 100, resource.RLIM_INFINITY))
told = []
try:
    put(vault, "NEW", b"new")
except VaultIOError as error:
    told = [error.message, error.hint]
same = place.file.read_bytes() == before
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put(vault, "NEW", b"new")
print(json.dumps({"told": told, "same": same, "after": Place(Path(sys.argv[1])).opened().get("NEW").decode()}))
"""


def test_row_29_where_no_file_may_grow_nothing_is_lost(tmp_path: Path) -> None:
    """EFBIG, which any user can bring about: the same file as before, a clear error, and success afterwards."""
    place = Place(tmp_path)
    place.make(A=b"value", LARGE=bytes(20_000))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["same"]
    assert os.strerror(27) in found["told"][0]
    assert found["told"][1]
    assert found["after"] == "new"
    assert not list(place.folder.rglob(".wk-*"))


def test_a_disk_that_is_full_from_the_start_makes_no_vault(small_disk: Path) -> None:
    """No vault is made in part: there is none, and there is one as soon as there is room."""
    place = Place(small_disk)
    place.folder.mkdir()
    ballast = fill(small_disk)

    with pytest.raises(VaultError):
        place.make()

    assert not place.file.exists()
    ballast.unlink()
    assert place.make(A=b"value").get("A") == b"value"
