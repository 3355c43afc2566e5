"""event: what happened to an object."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

EVENT: Final[Class] = declare(
    "event",
    "What happened to an object.",
    writer="pool-admin",
    calls="",
    stored=False,
    fields="""
    ins id int: A number that rises.
    ins timestamp datetime deprecated: When it happened.
    ins class string: The class of the object, in lower case.
    ins operation event_operation: Whether the object was made, changed or removed.
    ins ref string: The object.
    ins obj_uuid string deprecated: Its UUID.
    run snapshot record event @6.0: The object as it is now; not of a removed one.
    """,
    messages="""
    register(classes set string)
        db read-only deprecated: Let event.next tell this session of these classes.
    unregister(classes set string)
        db read-only deprecated: Let it tell of these classes no more.
    next() -> set record event
        db read-only sync deprecated: Wait for events of the registered classes.
        ! SESSION_NOT_REGISTERED EVENTS_LOST EVENT_SUBSCRIPTION_PARSE_FAILURE
    from(classes set string, token string, timeout float) -> set record event
        db read-only @6.0 sync: All that has changed since a token, and the next token; wait if it is nothing.
        ! SESSION_NOT_REGISTERED EVENTS_LOST EVENT_FROM_TOKEN_PARSE_FAILURE EVENT_SUBSCRIPTION_PARSE_FAILURE
    get_current_id() -> int
        db read-only sync: The id of the last event.
    inject(class string, ref string) -> string
        db read-only @6.1 sync: Make an event of an object that has not changed, and get the token from before.
    """,
)
