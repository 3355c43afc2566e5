"""crashdump: crashdump."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CRASHDUMP: Final[Class] = declare(
    "crashdump",
    "Crashdump.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins VM ref VM <> VM.crash_dumps: Vm.
    ins VDI ref VDI <> VDI.crash_dumps: Vdi.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref crashdump)
        host pool-operator: Destroy.
    """,
)
