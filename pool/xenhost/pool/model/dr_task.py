"""DR_task: dr task."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DR_TASK: Final[Class] = declare(
    "DR_task",
    "Dr task.",
    writer="pool-admin",
    since="6.0",
    fields="""
    run uuid string: Its UUID.
    run introduced_SRs set ref SR <> SR.introduced_by: Introduced srs.
    """,
    messages="""
    create(type string, device_config map string string, whitelist set string) -> ref DR_task
        pool via pool-operator @6.0: Create.
    destroy(self ref DR_task)
        pool via pool-operator @6.0: Destroy.
    """,
)
