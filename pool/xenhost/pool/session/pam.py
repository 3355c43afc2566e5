"""PAM, asked through processes of its own, which are ended when they take too long."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Final

from xenhost.pool.session.authenticator import MAX_NAME, MAX_PASSWORD, CannotAuthenticate, PasswordWrong

HELPER: Final = (sys.executable, "-m", "xenhost.pool.session.pam_helper")
SERVICE: Final = "xenhost"
"""The file in /etc/pam.d."""
HELPERS: Final = 4
SECONDS: Final = 30.0
"""A wrong password costs two or three of them by PAM's own doing."""
_ANSWER: Final = 4096


class Pam:
    """Users of the system; only those in `users`, if it is not None."""

    def __init__(
        self,
        users: frozenset[str] | None,
        service: str = SERVICE,
        helper: Sequence[str] = HELPER,
        seconds: float = SECONDS,
    ) -> None:
        self._users = users
        self._service = service
        self._helper = helper
        self._seconds = seconds
        self._idle: list[Process] = []
        self._slots = asyncio.Semaphore(HELPERS)

    async def authenticate(self, user: str, password: str) -> None:
        """Raises PasswordWrong, CannotAuthenticate."""
        if self._users is not None and user not in self._users:
            raise PasswordWrong
        await self._ask(user, password, None)

    async def change_password(self, user: str, old: str, new: str) -> None:
        """Raises PasswordWrong, CannotAuthenticate."""
        if self._users is not None and user not in self._users:
            raise PasswordWrong
        await self._ask(user, old, new)

    async def close(self) -> None:
        """End the processes. They start again when they are needed."""
        while self._idle:
            await _end(self._idle.pop())

    async def _ask(self, user: str, password: str, new: str | None) -> None:
        if any("\0" in text or "\n" in text for text in (user, password, new or "")):
            raise PasswordWrong
        if len(user) > MAX_NAME or len(password) > MAX_PASSWORD or len(new or "") > MAX_PASSWORD:
            raise PasswordWrong
        request = {"user": user, "password": password, "service": self._service, "new": new}
        async with self._slots:
            try:
                process = self._idle.pop() if self._idle else await self._start()
            except OSError as error:
                raise CannotAuthenticate(f"PAM's helper does not start: {error.strerror}") from error
            answer: str | None = None
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await _exchange(process, request)
            except TimeoutError as error:
                raise CannotAuthenticate(f"PAM did not answer within {self._seconds:.0f} s") from error
            finally:
                if answer is None:
                    await _end(process)
                else:
                    self._idle.append(process)
        if answer == "wrong":
            raise PasswordWrong
        if answer:
            raise CannotAuthenticate(answer)

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(*self._helper, stdin=PIPE, stdout=PIPE, start_new_session=True)


async def _exchange(process: Process, request: dict[str, str | None]) -> str:
    """What went wrong: "" if nothing, "wrong" for a password. Raises CannotAuthenticate."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        answer = json.loads(line[:_ANSWER])
        return str(answer["error"])
    except (OSError, ValueError, KeyError) as error:
        raise CannotAuthenticate("PAM's helper has ended") from error


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
