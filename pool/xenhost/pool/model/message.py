"""message: message."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

MESSAGE: Final[Class] = declare(
    "message",
    "Message.",
    writer="pool-admin",
    calls="",
    since="5.0",
    fields="""
    run uuid string: Its UUID.
    run name string: Name.
    run priority int: Priority.
    run cls cls @5.0: Cls.
    run obj_uuid string: Obj uuid.
    run timestamp datetime: Timestamp.
    run body string: Body.
    """,
    messages="""
    create(name string, priority int, cls cls, obj_uuid string, body string) -> ref message
        db pool-operator @5.0 sync: Create.
    destroy(self ref message)
        db pool-operator @5.0 sync: Destroy.
    get(cls cls, obj_uuid string, since datetime) -> map ref message record message
        db read-only @5.0 sync: Get.
    get_all() -> set ref message
        db read-only @5.0 sync: Get all.
    get_since(since datetime) -> map ref message record message
        db read-only @5.0 sync: Get since.
    get_record(self ref message) -> record message
        db read-only @5.0 sync: Get record.
    get_by_uuid(uuid string) -> ref message
        db read-only @5.0 sync: Get by uuid.
    get_all_records() -> map ref message record message
        db read-only @5.0 sync: Get all records.
    get_all_records_where(expr string) -> map ref message record message
        db read-only @5.0 sync: Get all records where.
    destroy_all(filters map string string)
        db pool-operator @26.6.0: Destroy all.
    destroy_many(messages set ref message)
        db pool-operator @22.19.0: Destroy many.
    """,
)
