"""console: A way to see a VM's screen or serial line."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CONSOLE: Final[Class] = declare(
    "console",
    "A way to see a VM's screen or serial line.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run protocol console_protocol: What is spoken there.
    run location string: Where it is.
    run VM ref VM <> VM.consoles: The VM.
    rw  other_config map string string: Keys of clients and of features that have no field.
    ins port int = 0 hidden: Its port on the host.
    """,
    messages="""
    create(args record console) -> ref console
        db vm-admin stub NOT_IMPLEMENTED: Make one.
    destroy(self ref console)
        db vm-admin stub NOT_IMPLEMENTED: Remove it.
    """,
)
