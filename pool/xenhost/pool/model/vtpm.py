"""VTPM: A TPM of a VM."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VTPM: Final[Class] = declare(
    "VTPM",
    "A TPM of a VM.",
    writer="pool-admin",
    since="22.26.0",
    fields="""
    run uuid string: Its UUID.
    ins VM ref VM <> VM.VTPMs: The VM.
    run backend ref VM: Where it runs; null.
    run allowed_operations set vtpm_operations: What may be done to it now; advice only.
    run current_operations map string vtpm_operations: What is being done to it, by task.
    run persistence_backend persistence_backend = xapi @22.26.0: Where its content is kept.
    ins is_unique bool = false @22.26.0: It is never copied with the VM.
    run is_protected bool @22.26.0: Its content is kept safe.
    """,
    messages="""
    create(vM ref VM, is_unique bool) -> ref VTPM
        db vm-admin stub NOT_IMPLEMENTED: Give a VM a TPM.
    destroy(self ref VTPM)
        db vm-admin stub NOT_IMPLEMENTED: Take it, with its content.
    """,
)
