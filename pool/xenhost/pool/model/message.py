"""message: something that people should know of an object."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

MESSAGE: Final[Class] = declare(
    "message",
    "Something that people should know of an object.",
    writer="pool-admin",
    calls="",
    since="5.0",
    fields="""
    run uuid string: Its UUID.
    run name string: What it is about, in capitals.
    run priority int: How important it is; 1 is most.
    run cls cls @5.0: The class of the object.
    run obj_uuid string: The UUID of the object.
    run timestamp datetime: When it was made.
    run body string: What it says.
    """,
    messages="""
    create(name string, priority int, cls cls, obj_uuid string, body string) -> ref message
        db pool-operator @5.0 sync: Make one.
    destroy(self ref message)
        db pool-operator @5.0 sync: Remove it.
    get(cls cls, obj_uuid string, since datetime) -> map ref message record message
        db read-only @5.0 sync: Those about an object since a time.
    get_all() -> set ref message
        db read-only @5.0 sync: References of all.
    get_since(since datetime) -> map ref message record message
        db read-only @5.0 sync: Those since a time.
    get_record(self ref message) -> record message
        db read-only @5.0 sync: All fields of one.
    get_by_uuid(uuid string) -> ref message
        db read-only @5.0 sync: The one with that UUID.
    get_all_records() -> map ref message record message
        db read-only @5.0 sync: Records of all, by reference.
    get_all_records_where(expr string) -> map ref message record message
        db read-only @5.0 sync: Records that an expression picks.
    destroy_all(filters map string string)
        db pool-operator @26.6.0: Remove those before a time, or of a priority.
    destroy_many(messages set ref message)
        db pool-operator @22.19.0: Remove these.
    """,
)
