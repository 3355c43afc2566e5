"""event: event."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

EVENT: Final[Class] = declare(
    "event",
    "Event.",
    writer="pool-admin",
    calls="",
    stored=False,
    fields="""
    ins id int: Id.
    ins timestamp datetime deprecated: Timestamp.
    ins class string: Class.
    ins operation event_operation: Operation.
    ins ref string: Ref.
    ins obj_uuid string deprecated: Obj uuid.
    run snapshot record event @6.0: Snapshot.
    """,
    messages="""
    register(classes set string)
        db read-only deprecated: Register.
    unregister(classes set string)
        db read-only deprecated: Unregister.
    next() -> set record event
        db read-only sync deprecated: Next.
        ! SESSION_NOT_REGISTERED EVENTS_LOST EVENT_SUBSCRIPTION_PARSE_FAILURE
    from(classes set string, token string, timeout float) -> set record event
        db read-only @6.0 sync: From.
        ! SESSION_NOT_REGISTERED EVENTS_LOST EVENT_FROM_TOKEN_PARSE_FAILURE EVENT_SUBSCRIPTION_PARSE_FAILURE
    get_current_id() -> int
        db read-only sync: Get current id.
    inject(class string, ref string) -> string
        db read-only @6.1 sync: Inject.
    """,
)
