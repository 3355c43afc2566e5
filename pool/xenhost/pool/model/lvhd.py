"""LVHD: what LVM-based SRs could do more."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

LVHD: Final[Class] = declare(
    "LVHD",
    "What LVM-based SRs could do more.",
    writer="pool-admin",
    calls="get_by_uuid get_record",
    since="7.0",
    fields="""
    run uuid string: Its UUID.
    """,
    messages="""
    enable_thin_provisioning(host ref host, SR ref SR, initial_allocation int, allocation_quantum int) -> string
        host pool-admin @7.0: Make an SR allocate space when it is written.
    """,
)
