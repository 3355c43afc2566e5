"""The messages of class session: how one logs in and out."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Ref, Registry, Value
from xenhost.pool.session.authenticator import MAX_NAME, Authenticator, CannotAuthenticate, PasswordWrong
from xenhost.pool.session.brakes import Brakes
from xenhost.pool.session.directory import Directory, Subject
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable
from xenhost.system.http.sockets import counted_address

MAX_ORIGINATOR: Final = 256
WAITING: Final = 512
"""Logins that wait for their turn; more are refused."""
CHECKED: Final = 32
"""Passwords that are looked at, or wait for PAM, at a time; more wait, in the order in which they came."""
_LOOK_SECONDS: Final = 1.0
"""Who waits for his turn looks so often whether he still has to."""


class Logins:
    """Makes sessions of passwords. Register it with the dispatcher."""

    def __init__(
        self,
        table: SessionTable,
        authenticator: Authenticator,
        directory: Directory,
        brakes: Brakes,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        seen: Callable[[str], None] = lambda user_agent: None,
    ) -> None:
        """`seen` is told what each client calls itself that logs in."""
        self._table = table
        self._seen = seen
        self._authenticator = authenticator
        self._directory = directory
        self._brakes = brakes
        self._clock = clock
        self._log = log
        self._waiting = 0
        self._turns: Final = asyncio.Semaphore(CHECKED)

    def register(self, registry: Registry) -> None:
        """Answer the messages of class session."""
        registry.register("session.login_with_password", self.login_with_password)
        registry.register("session.slave_local_login_with_password", self.local_login)
        registry.register("session.logout", self.logout)
        registry.register("session.local_logout", self.logout)
        registry.register("session.change_password", self.change_password)
        registry.register("session.get_all_subject_identifiers", self.subject_identifiers)
        registry.register("session.logout_subject_identifier", self.logout_subject)

    async def login_with_password(
        self, context: Context, uname: str, pwd: str, version: str = "", originator: str = ""
    ) -> Value:
        """A new session. Raises SESSION_AUTHENTICATION_FAILED, RBAC_PERMISSION_DENIED for a subject without a role."""
        return self._enter(context, await self._authenticated(context, uname, pwd), originator)

    async def local_login(self, context: Context, uname: str, pwd: str) -> Value:
        """A session for emergencies, which is in no database."""
        session = await self._authenticated(context, uname, pwd)
        if not session.superuser:
            raise _failed(uname)
        return self._enter(context, replace(session, local=True), "")

    async def authenticate(self, context: Context, uname: str, pwd: str) -> Session:
        """Who that is, for one request that brings name and password with it: no session of any table."""
        return await self._authenticated(context, uname, pwd)

    async def logout(self, context: Context) -> Value:
        """End the caller's session."""
        self._table.remove(context.session, "logout")
        return None

    async def change_password(self, context: Context, old_pwd: str, new_pwd: str) -> Value:
        """Change the caller's own password. Raises USER_IS_NOT_LOCAL_SUPERUSER, CHANGE_PASSWORD_REJECTED."""
        if not context.superuser:
            raise ApiError("USER_IS_NOT_LOCAL_SUPERUSER", "only a local superuser can change his password here")
        try:
            async with self._attempt(context, context.user):
                await self._authenticator.change_password(context.user, old_pwd, new_pwd)
        except PasswordWrong as error:
            raise ApiError("CHANGE_PASSWORD_REJECTED", "the old password is wrong") from error
        except CannotAuthenticate as error:
            raise ApiError("CHANGE_PASSWORD_REJECTED", str(error)) from error
        self._log.info("session.password_changed", user=context.user, client=context.client)
        return None

    async def subject_identifiers(self, context: Context) -> Value:
        """Those of the directory who are logged in."""
        return sorted({session.subject_identifier for session in self._table.all() if session.subject_identifier})

    async def logout_subject(self, context: Context, subject_identifier: str) -> Value:
        """End the sessions of one of the directory, but not the caller's own."""
        for session in self._table.all():
            if session.subject_identifier == subject_identifier and session.ref != context.session:
                self._table.remove(session.ref, "the subject was logged out")
        return None

    def _enter(self, context: Context, session: Session, originator: str) -> Ref:
        self._table.add(replace(session, originator=originator[:MAX_ORIGINATOR]))
        self._seen(context.client.partition(" ")[2])
        self._log.info(
            "session.login",
            session=session.uuid,
            user=session.user,
            superuser=session.superuser,
            originator=originator[:MAX_ORIGINATOR],
            client=context.client,
        )
        return session.ref

    async def _authenticated(self, context: Context, uname: str, pwd: str) -> Session:
        unique = str(uuid.uuid4())
        session = Session(Ref(f"OpaqueRef:{uuid.uuid4()}"), unique, uname[:MAX_NAME], True, self._clock.now())
        if context.superuser:  # root, over the unix socket: nobody else can reach that
            return replace(session, user=session.user or "root")
        if len(uname) > MAX_NAME:
            raise _failed(uname)
        try:
            async with self._attempt(context, uname):
                found = await self._checked(uname, pwd)
        except PasswordWrong as error:
            self._log.warning("session.login_failed", user=uname[:MAX_NAME], client=context.client)
            raise _failed(uname) from error
        except CannotAuthenticate as error:
            self._log.error("session.cannot_authenticate", user=uname[:MAX_NAME], problem=str(error))
            raise _failed(uname) from error
        if found is None:
            return session
        if not found.roles:
            raise ApiError("RBAC_PERMISSION_DENIED", "session.login_with_password", "this subject has no role")
        return replace(
            session,
            superuser=False,
            roles=found.roles,
            subject=found.ref,
            subject_identifier=found.identifier,
        )

    async def _checked(self, uname: str, pwd: str) -> Subject | None:
        """The subject of the directory; None for a local user, who is a superuser."""
        try:
            await self._authenticator.authenticate(uname, pwd)
        except PasswordWrong:
            subject = await self._directory.authenticate(uname, pwd)
            if subject is None:
                raise
            return subject
        return None

    @asynccontextmanager
    async def _attempt(self, context: Context, uname: str) -> AsyncIterator[None]:
        """Within it the password is looked at, when its turn has come. Raises SESSION_AUTHENTICATION_FAILED."""
        address = address_of(context)
        wait = self._brakes.attempt(uname, address, self._clock.monotonic())
        if wait is None:
            raise self._refused(context, uname)
        ended = False
        try:
            await self._wait(context, uname, address, wait)
            try:
                yield
            finally:
                self._turns.release()
            self._brakes.succeeded(uname, address, self._clock.monotonic())
            ended = True
        except PasswordWrong:
            self._brakes.failed(uname, address, self._clock.monotonic())
            ended = True
            raise
        finally:
            if not ended:
                self._brakes.abandoned(uname, address)

    async def _wait(self, context: Context, uname: str, address: str, seconds: float) -> None:
        """Until it is its turn, which whoever has it gives back. Raises SESSION_AUTHENTICATION_FAILED."""
        if self._waiting >= WAITING:
            raise self._refused(context, uname)
        self._waiting += 1
        try:
            until = self._clock.monotonic() + seconds
            while (now := self._clock.monotonic()) < until and not self._brakes.is_trusted(uname, address, now):
                if self._brakes.is_hopeless(uname, address, until - now, now):
                    raise self._refused(context, uname)
                await self._clock.sleep(min(_LOOK_SECONDS, until - now))
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    def _refused(self, context: Context, uname: str) -> ApiError:
        self._log.warning("session.login_refused", user=uname[:MAX_NAME], client=context.client)
        return _failed(uname)


def address_of(context: Context) -> str:
    """Where the client is, as its guesses are counted: the first word of what is known of it, of IPv6 the network."""
    return counted_address(context.client.partition(" ")[0])


def _failed(uname: str) -> ApiError:
    return ApiError("SESSION_AUTHENTICATION_FAILED", uname[:MAX_NAME], "Authentication failed")
