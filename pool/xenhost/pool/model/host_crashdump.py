"""host_crashdump: A crash dump of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_CRASHDUMP: Final[Class] = declare(
    "host_crashdump",
    "A crash dump of a host.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins host ref host <> host.crashdumps: The host.
    run timestamp datetime: When it crashed.
    run size int: Its size in bytes.
    ins filename string = "" hidden: Where it is on the host.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref host_crashdump)
        host pool-operator: Remove it.
    upload(self ref host_crashdump, url string, options map string string)
        host pool-operator: Send it somewhere.
    """,
)
