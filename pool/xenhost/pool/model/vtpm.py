"""VTPM: vtpm."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VTPM: Final[Class] = declare(
    "VTPM",
    "Vtpm.",
    writer="pool-admin",
    since="22.26.0",
    fields="""
    run uuid string: Its UUID.
    ins VM ref VM <> VM.VTPMs: Vm.
    run backend ref VM: Backend.
    run allowed_operations set vtpm_operations: What may be done to it now; advice only.
    run current_operations map string vtpm_operations: What is being done to it, by task.
    run persistence_backend persistence_backend = xapi @22.26.0: Persistence backend.
    ins is_unique bool = false @22.26.0: Is unique.
    run is_protected bool @22.26.0: Is protected.
    """,
    messages="""
    create(vM ref VM, is_unique bool) -> ref VTPM
        db vm-admin stub NOT_IMPLEMENTED: Create.
    destroy(self ref VTPM)
        db vm-admin stub NOT_IMPLEMENTED: Destroy.
    """,
)
