"""The sessions as the database shows them. They end with the daemon, so none is written to disk."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from xenhost.pool.call import Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.session.session import Session


class SessionBook:
    """Keeps class session of the database as the table of sessions is."""

    def __init__(
        self,
        database: Database,
        host: Callable[[], Ref],
        permissions: Callable[[Session], Sequence[str]],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """`host` is the pool master's; `permissions` are those of a session that may not do everything."""
        self.listeners: Final[list[Callable[[Ref], None]]] = []
        """Told of each session that has ended."""
        self._database = database
        self._host = host
        self._permissions = permissions
        self._log = log

    def opened(self, session: Session) -> None:
        """It has begun."""
        if session.local:
            return
        begun = _time(session.created)
        fields: dict[str, Value] = {
            "uuid": session.uuid,
            "this_host": self._host(),
            "last_active": begun,
            "validation_time": begun,
            "pool": session.pool,
            "is_local_superuser": session.superuser,
            "subject": session.subject,
            "auth_user_sid": session.subject_identifier,
            "auth_user_name": session.user,
            "rbac_permissions": tuple(self._permissions(session)),
            "parent": session.parent,
            "originator": session.originator,
        }
        self._database.note(lambda change: change.create("session", fields, session.ref))

    def ended(self, session: Session, why: str) -> None:
        """It has ended."""
        self._log.info("session.ended", session=session.uuid, user=session.user, why=why)
        for listener in self.listeners:
            listener(session.ref)
        if self._database.find("session", session.ref) is not None:
            self._database.note(lambda change: change.delete("session", session.ref))

    def used(self, ref: Ref, at: float) -> None:
        """When it was used last, in seconds since the epoch."""
        if self._database.find("session", ref) is not None:
            self._database.note(lambda change: change.set("session", ref, {"last_active": _time(at)}))

    def has_tasks(self, ref: Ref) -> bool:
        """Whether a task of it has not ended."""
        record = self._database.find("session", ref)
        if record is None:
            return False
        found = (self._database.find("task", each) for each in record.refs("tasks"))
        return any(task is not None and task["status"] in ("pending", "cancelling") for task in found)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)
