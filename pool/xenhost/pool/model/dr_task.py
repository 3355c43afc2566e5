"""DR_task: the recovery of a lost pool."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DR_TASK: Final[Class] = declare(
    "DR_task",
    "The recovery of a lost pool.",
    writer="pool-admin",
    since="6.0",
    fields="""
    run uuid string: Its UUID.
    run introduced_SRs set ref SR <> SR.introduced_by: SRs that it brought in.
    """,
    messages="""
    create(type string, device_config map string string, whitelist set string) -> ref DR_task
        pool via pool-operator @6.0: Bring in the SRs of the lost pool.
    destroy(self ref DR_task)
        pool via pool-operator @6.0: End it, and let the SRs go that nothing uses.
    """,
)
