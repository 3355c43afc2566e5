"""Who knows whether a password is right."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Final, Protocol

MAX_NAME: Final = 256
MAX_PASSWORD: Final = 1024


class PasswordWrong(Exception):
    """The user, or the password, or both are wrong, or the user may not log in now."""


class CannotAuthenticate(Exception):
    """Nobody can say now whether the password is right."""


class Authenticator(Protocol):
    """Local users, all of them superusers."""

    async def authenticate(self, user: str, password: str) -> None:
        """Return if the password is right. Raises PasswordWrong, CannotAuthenticate. Takes no longer than a minute."""
        ...

    async def change_password(self, user: str, old: str, new: str) -> None:
        """Change it. Raises PasswordWrong, CannotAuthenticate with what is wrong with the new one."""
        ...


class FixedUsers:
    """Users who are given with their passwords: for trying things out."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._salt = os.urandom(16)
        self._hashes = {user: self._hash(password) for user, password in passwords.items()}

    async def authenticate(self, user: str, password: str) -> None:
        """Raises PasswordWrong."""
        found = await asyncio.to_thread(self._hash, password)
        if not hmac.compare_digest(found, self._hashes.get(user, b"\0" * len(found))):
            raise PasswordWrong

    async def change_password(self, user: str, old: str, new: str) -> None:
        """For as long as the daemon lives. Raises PasswordWrong."""
        await self.authenticate(user, old)
        self._hashes[user] = await asyncio.to_thread(self._hash, new)

    def _hash(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode(errors="replace"), salt=self._salt, n=2**12, r=8, p=1)
