"""host_crashdump: host crashdump."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_CRASHDUMP: Final[Class] = declare(
    "host_crashdump",
    "Host crashdump.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins host ref host <> host.crashdumps: Host.
    run timestamp datetime: Timestamp.
    run size int: Size.
    ins filename string = "" hidden: Filename.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref host_crashdump)
        host pool-operator: Destroy.
    upload(self ref host_crashdump, url string, options map string string)
        host pool-operator: Upload.
    """,
)
