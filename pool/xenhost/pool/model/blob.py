"""blob: binary data that belongs to an object."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

BLOB: Final[Class] = declare(
    "blob",
    "Binary data that belongs to an object.",
    writer="pool-operator",
    since="5.0",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    run size int: Its size in bytes.
    rw  public bool = false @6.1: Whoever knows its address may read it.
    ins last_updated datetime: When this was measured.
    ins mime_type string: What it is.
    """,
    messages="""
    create(mime_type string, public? bool) -> ref blob
        db pool-operator @5.0 sync: Make an empty one.
    destroy(self ref blob)
        db pool-operator @5.0 sync: Remove it.
    """,
)
