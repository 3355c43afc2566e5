"""Databases of other pools, opened from metadata VDIs: each is read by the calls of a session of its own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import uuid4

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Implementation, Method, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.recovery.image import BadImage, fixed_store
from xenhost.pool.recovery.metadata_vdis import MetadataVdis
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable

MOST: Final = 4
"""Databases that are open at a time: each takes up to some hundred MiB."""
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
        return {"VDI.open_database": self.open}

    async def open(self, context: Context, vdi: Ref) -> Ref:
        """A session that reads the database in a VDI, as it is now; log out of it to let go.

        Raises ApiError VDI_INCOMPATIBLE_TYPE, COULD_NOT_IMPORT_DATABASE, TOO_BUSY, XenhostError.
        """
        async with self._opening:
            if len(self._dispatcher.opened) >= MOST:
                raise ApiError("TOO_BUSY")
            model = self._database.model
            try:
                image = await self._metadata.read(context, vdi)
                store = await asyncio.to_thread(fixed_store, model, image)
            except BadImage as error:
                raise ApiError("COULD_NOT_IMPORT_DATABASE", str(error)[:500]) from error
            other = Database(model, store)
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
            self._log.info("a database was opened", vdi=vdi, pool=image.pool, objects=objects, user=context.user)
            return ref

    def session_ended(self, session: Ref) -> None:
        """If it was one of an opened database, that is let go."""
        self._dispatcher.opened.pop(session, None)
