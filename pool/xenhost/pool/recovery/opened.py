"""Databases of other pools, opened from metadata VDIs or dumps: each is read by the calls of a session of its own."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Implementation, Method, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.fixed import FixedStore
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.recovery.image import MAX_DUMP, BadImage, fixed_store, store_of
from xenhost.pool.recovery.metadata_vdis import MetadataVdis
from xenhost.pool.schema.model import Model
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable

MOST: Final = 4
"""Databases that are open at a time: each takes up to some hundred MiB."""
IDLE_SECONDS: Final = 900.0
"""Those that nobody asked anything for longer make room, and so do those whose opener has logged out."""
_OF_THIS_POOL: Final = frozenset({"session", "task"})
"""Classes whose messages are about the login itself, and what was begun with it."""


class SessionDispatcher:
    """The Dispatcher of this pool; but sessions of opened databases are answered from those."""

    def __init__(self, own: ModelDispatcher) -> None:
        self._own: Final = own
        self.opened: Final[dict[Ref, ModelDispatcher]] = {}

    def find(self, name: str) -> Method | None:
        """See Dispatcher."""
        return self._own.find(name)

    def names(self) -> Sequence[str]:
        """See Dispatcher."""
        return self._own.names()

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """See Dispatcher."""
        other, found = self.opened.get(context.session), self._own.find(method)
        if other is None or found is None or found.name.partition(".")[0] in _OF_THIS_POOL:
            return await self._own.call(context, method, params)
        return await other.call(context, method, params)


class OpenedDatabases:
    """Opens them. A database is let go with its session."""

    def __init__(
        self,
        database: Database,
        metadata: MetadataVdis,
        dispatcher: SessionDispatcher,
        sessions: SessionTable,
        tasks: Tasks,
        answers: Callable[[Database], Mapping[str, Implementation]],
        clock: Clock,
    ) -> None:
        """`answers`: what can be asked of an opened one, beside its records."""
        self._database: Final = database
        self._metadata: Final = metadata
        self._dispatcher: Final = dispatcher
        self._sessions: Final = sessions
        self._tasks: Final = tasks
        self._answers: Final = answers
        self._clock: Final = clock
        self._opening: Final = asyncio.Lock()
        self._log: Final = structlog.get_logger("xenpoold.recovery")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VDI.open_database": self.open, "session.create_from_db_file": self.open_file}

    async def open(self, context: Context, vdi: Ref) -> Ref:
        """A session that reads the database in a VDI, as it is now; log out of it to let go.

        Raises ApiError VDI_INCOMPATIBLE_TYPE, COULD_NOT_IMPORT_DATABASE, TOO_BUSY, XenhostError.
        """

        async def store() -> FixedStore:
            image = await self._metadata.read(context, vdi)
            return await asyncio.to_thread(fixed_store, self._database.model, image)

        return await self._session(context, store, vdi)

    async def open_file(self, context: Context, filename: str) -> Ref:
        """The same, of a dump (/pool/xmldbdump) that lies on the pool master's disk.

        Raises ApiError COULD_NOT_IMPORT_DATABASE, TOO_BUSY.
        """
        return await self._session(
            context, lambda: asyncio.to_thread(_store_of, self._database.model, Path(filename)), filename
        )

    async def _session(self, context: Context, store: Callable[[], Awaitable[FixedStore]], source: str) -> Ref:
        async with self._opening:
            if len(self._dispatcher.opened) >= MOST:
                self._make_room()
            if len(self._dispatcher.opened) >= MOST:
                raise ApiError("TOO_BUSY")
            model = self._database.model
            try:
                other = Database(model, await store())
            except BadImage as error:
                raise ApiError("COULD_NOT_IMPORT_DATABASE", str(error)[:500]) from error
            objects = await other.open()
            answers = Implementations(model)
            answers.register_all(self._answers(other))
            ref, now = Ref(f"OpaqueRef:{uuid4()}"), self._clock.now()
            session = Session(
                *(ref, str(uuid4()), context.user, False, now, frozenset({Role.READ_ONLY})),
                subject_identifier=context.subject,
                originator=context.originator,
                parent=context.session,
            )
            self._dispatcher.opened[ref] = ModelDispatcher(other, self._tasks, answers, self._clock, read_only=True)
            self._sessions.add(session)
            self._log.info("a database was opened", source=source, objects=objects, user=context.user)
            return ref

    def session_ended(self, session: Ref) -> None:
        """If it was one of an opened database, that is let go."""
        self._dispatcher.opened.pop(session, None)

    def _make_room(self) -> None:
        """Clients that died log out of nothing."""
        sessions = {session.ref: session for session in self._sessions.all()}
        opened = tuple(self._dispatcher.opened)
        self._sessions.end_idle([ref for ref in opened if sessions[ref].parent not in sessions], 0.0)
        self._sessions.end_idle(opened, IDLE_SECONDS)


def _store_of(model: Model, path: Path) -> FixedStore:
    """Of a file that may be anything. Blocks. Raises BadImage."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadImage("it is no file")
            return store_of(model, file.read(MAX_DUMP + 1))
    except (OSError, ValueError) as error:
        raise BadImage(str(error)) from error
