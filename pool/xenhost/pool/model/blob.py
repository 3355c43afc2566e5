"""blob: blob."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

BLOB: Final[Class] = declare(
    "blob",
    "Blob.",
    writer="pool-operator",
    since="5.0",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    run size int: Size.
    rw  public bool = false @6.1: Public.
    ins last_updated datetime: When this was measured.
    ins mime_type string: Mime type.
    """,
    messages="""
    create(mime_type string, public? bool) -> ref blob
        db pool-operator @5.0 sync: Create.
    destroy(self ref blob)
        db pool-operator @5.0 sync: Destroy.
    """,
)
