"""The DPAPI slot: the master key under what Windows protects for the user who is logged in.

CryptProtectData takes no additional data but an "entropy", and what it makes has no published format. So it protects a
slot key of 32 random bytes alone, and the master key lies under that in AES-256-GCM, bound to all of what Windows made:
no byte of the record can be another one, whatever Windows itself looks at.

Elsewhere than on Windows the slot is there, and closed.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, ClassVar, Protocol

from app.domain.errors import SlotClosed
from app.keys.aead import Forged, framed, new_key, seal, unseal
from app.keys.slots.slot import sealed_body, sealed_of
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.keys.slots.slot import Body

DAMAGED = frozenset({13, *range(0x8009_0004, 0x8009_000B)})
"""ERROR_INVALID_DATA, and NTE_BAD_LEN to NTE_BAD_TYPE (winerror.h): blob or entropy is not what it was.

All others are about the user and the machine.
"""

_RECOVER = "Use the recovery code: watchkeeper keys recover"


class ProtectionRefused(Exception):
    """Windows did not do it.

    Args:
        code: Its error code, as GetLastError gives it (unsigned, 32 bits).
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code:#x}")
        self.code = code


class Protection(Protocol):
    """What Windows does: protects bytes for the user who is logged in. Both methods block, and ask nobody anything."""

    def protect(self, content: bytes | bytearray, entropy: bytes) -> bytes:
        """Return what `unprotect` makes these bytes of again.

        Raises:
            ProtectionRefused: It cannot be done.
        """

    def unprotect(self, blob: bytes, entropy: bytes) -> bytearray:
        """Return what was protected, for the caller to overwrite.

        Raises:
            ProtectionRefused: It was protected with another entropy, for somebody else, or is not what it was.
        """


class DpapiSlot:
    """It.

    Args:
        protection: What protects; None for Windows, where this is Windows.
    """

    kind: ClassVar[str] = "dpapi"

    def __init__(self, protection: Protection | None = None) -> None:
        self._given = protection

    def wrap(self, master: bytes, bound: bytes, before: Mapping[str, str | int] | None = None) -> Body:
        """Return the record's body, after it was opened again.

        Raises:
            SlotClosed: There is no DPAPI here ("absent"), or it does not protect, or does not give back ("refused").
        """
        del before
        protection, key = self._protection(), bytearray(new_key())
        try:
            blob = protection.protect(key, bound)
            sealed = seal(key, master, _bound_to_blob(bound, blob))
        except ProtectionRefused as error:
            raise SlotClosed(
                "dpapi",
                "refused",
                f"Windows does not protect the vault's key for this user (error {error.code:#x}).",
                "Log in with a full user profile, or use another way to open the vault.",
            ) from None
        finally:
            _wipe(key)
        body: Body = {"blob": to_base64(blob), **sealed_body(sealed)}
        try:
            self.open(body, bound)
        except SlotClosed:
            raise SlotClosed(
                "dpapi",
                "refused",
                "Windows does not give back what it was given to protect.",
                "Use another way to open the vault.",
            ) from None
        return body

    def open(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        """Return the master key.

        Raises:
            SlotClosed: There is no DPAPI here ("absent"); it does not open for this user on this machine ("refused");
                or the record is not what it was ("damaged").
        """
        protection = self._protection()
        try:
            blob = from_base64(str(body["blob"]))
            sealed = sealed_of(body)
            key = protection.unprotect(blob, bound)
            try:
                return unseal(key, sealed, _bound_to_blob(bound, blob))
            finally:
                _wipe(key)
        except ProtectionRefused as error:
            if error.code in DAMAGED:
                raise _damaged() from None
            raise SlotClosed(
                "dpapi",
                "refused",
                "Windows does not open the vault for this user: its key was made by another user, on another machine, "
                f"or before the password was reset (error {error.code:#x}).",
                _RECOVER,
            ) from None
        except (Forged, KeyError, ValueError):
            raise _damaged() from None

    def discard(self, body: Mapping[str, str | int]) -> None:
        """Do nothing: all is in the record."""

    def _protection(self) -> Protection:
        found = self._given if self._given is not None else _of_system()
        if found is None:
            raise SlotClosed(
                "dpapi",
                "absent",
                "The vault's DPAPI slot opens on Windows only.",
                "Open the vault another way: by its passphrase, or watchkeeper keys recover",
            )
        return found


def _bound_to_blob(bound: bytes, blob: bytes) -> bytes:
    return framed("dpapi", bound, blob)


def _wipe(key: bytearray) -> None:
    key[:] = bytes(len(key))


def _damaged() -> SlotClosed:
    return SlotClosed("dpapi", "damaged", "What Windows protects of the vault's key is damaged.", _RECOVER)


if sys.platform == "win32":
    from ctypes import wintypes

    _UI_FORBIDDEN = 0x1
    """CRYPTPROTECT_UI_FORBIDDEN (dpapi.h): rather an error than a question on the screen."""

    _SEARCH_SYSTEM32 = 0x800
    """LOAD_LIBRARY_SEARCH_SYSTEM32: never a library of this name that lies beside the program."""

    class _Blob(ctypes.Structure):
        """DATA_BLOB (dpapi.h)."""

        _fields_ = (("size", wintypes.DWORD), ("content", ctypes.c_void_p))

    class _Crypt32:
        """CryptProtectData and CryptUnprotectData."""

        def __init__(self) -> None:
            crypt32 = ctypes.WinDLL("crypt32", use_last_error=True, winmode=_SEARCH_SYSTEM32)
            kernel32 = ctypes.WinDLL("kernel32", use_last_error=True, winmode=_SEARCH_SYSTEM32)
            blob = ctypes.POINTER(_Blob)
            self._protect = crypt32.CryptProtectData
            self._protect.argtypes = (
                *(blob, wintypes.LPCWSTR, blob),
                *(ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD, blob),
            )
            self._protect.restype = wintypes.BOOL
            self._unprotect = crypt32.CryptUnprotectData
            self._unprotect.argtypes = (
                *(blob, ctypes.c_void_p, blob),
                *(ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD, blob),
            )
            self._unprotect.restype = wintypes.BOOL
            self._free = kernel32.LocalFree
            self._free.argtypes = (ctypes.c_void_p,)
            self._free.restype = ctypes.c_void_p

        def protect(self, content: bytes | bytearray, entropy: bytes) -> bytes:
            return bytes(self._called(self._protect, content, entropy))

        def unprotect(self, blob: bytes, entropy: bytes) -> bytearray:
            return self._called(self._unprotect, blob, entropy)

        def _called(self, function: ctypes._NamedFuncPointer, content: bytes | bytearray, entropy: bytes) -> bytearray:
            given = (ctypes.c_char * len(content)).from_buffer_copy(content)
            salt = (ctypes.c_char * len(entropy)).from_buffer_copy(entropy)
            taken = _Blob(len(content), ctypes.addressof(given))
            bound, made = _Blob(len(entropy), ctypes.addressof(salt)), _Blob()
            try:
                done = function(taken, None, bound, None, None, _UI_FORBIDDEN, made)
                code = ctypes.get_last_error() & 0xFFFF_FFFF
            finally:
                ctypes.memset(given, 0, len(content))
            if not done:
                raise ProtectionRefused(code)
            try:
                found = bytearray(made.size)
                ctypes.memmove((ctypes.c_char * made.size).from_buffer(found), made.content, made.size)
            finally:
                ctypes.memset(made.content, 0, made.size)
                self._free(made.content)
            return found

    def _of_system() -> Protection | None:
        return _Crypt32()

else:

    def _of_system() -> Protection | None:
        return None
