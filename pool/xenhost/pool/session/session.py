"""One login."""

from dataclasses import dataclass

from xenhost.pool.call import NULL_REF, Ref, Role


@dataclass(frozen=True, slots=True)
class Session:
    """Made at login; what it may do does not change afterwards, as in xapi."""

    ref: Ref
    uuid: str
    user: str
    superuser: bool
    """A local superuser may do everything."""
    created: float
    """Seconds since the epoch."""
    roles: frozenset[Role] = frozenset()
    subject: Ref = NULL_REF
    subject_identifier: str = ""
    """In the directory; empty for a local user."""
    originator: str = ""
    pool: bool = False
    """Of another daemon of the pool."""
    local: bool = False
    """For emergencies: it is in no database."""
    parent: Ref = NULL_REF
