"""crashdump: A crash dump of a VM, in old releases."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CRASHDUMP: Final[Class] = declare(
    "crashdump",
    "A crash dump of a VM, in old releases.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins VM ref VM <> VM.crash_dumps: The VM.
    ins VDI ref VDI <> VDI.crash_dumps: Where it is.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref crashdump)
        host pool-operator: Remove it.
    """,
)
