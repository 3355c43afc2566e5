"""console: console."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CONSOLE: Final[Class] = declare(
    "console",
    "Console.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run protocol console_protocol: Protocol.
    run location string: Location.
    run VM ref VM <> VM.consoles: Vm.
    rw  other_config map string string: Keys of clients and of features that have no field.
    ins port int = 0 hidden: Port.
    """,
    messages="""
    create(args record console) -> ref console
        db vm-admin stub NOT_IMPLEMENTED: Create.
    destroy(self ref console)
        db vm-admin stub NOT_IMPLEMENTED: Destroy.
    """,
)
