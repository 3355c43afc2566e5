"""VM_appliance: VMs that are started and shut down together."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_APPLIANCE: Final[Class] = declare(
    "VM_appliance",
    "VMs that are started and shut down together.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="6.0",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    run allowed_operations set vm_appliance_operation: What may be done to it now; advice only.
    run current_operations map string vm_appliance_operation: What is being done to it, by task.
    run VMs set ref VM <> VM.appliance: The VMs in it.
    """,
    messages="""
    start(self ref VM_appliance, paused bool)
        pool via pool-operator @6.0: Start them in their order.
        ! OPERATION_PARTIALLY_FAILED
    clean_shutdown(self ref VM_appliance)
        pool via pool-operator @6.0: Ask all to shut down, in their order.
        ! OPERATION_PARTIALLY_FAILED
    hard_shutdown(self ref VM_appliance)
        pool via pool-operator @6.0: End all, in their order.
        ! OPERATION_PARTIALLY_FAILED
    shutdown(self ref VM_appliance)
        pool via pool-operator @6.0: Ask each; end those that do not.
        ! OPERATION_PARTIALLY_FAILED
    assert_can_be_recovered(self ref VM_appliance, session_to ref session)
        pool read-only @6.0: Look whether the disks of all are here.
        ! VM_REQUIRES_SR
    get_SRs_required_for_recovery(self ref VM_appliance, session_to ref session) -> set ref SR
        pool read-only @6.5: SRs that their disks need.
    recover(self ref VM_appliance, session_to ref session, force bool)
        pool read-only @6.0: Take all over from the database of a lost pool.
        ! VM_REQUIRES_SR
    """,
)
