"""VMSS: A schedule of snapshots."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VMSS: Final[Class] = declare(
    "VMSS",
    "A schedule of snapshots.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="7.2",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    rw  enabled bool = true: It is in force.
    ins type vmss_type: What kind of snapshots it makes.
    ins retained_snapshots int = 7: How many of each VM are kept.
    ins frequency vmss_frequency: How often it runs.
    ins schedule map string string = {}: When.
    run last_run_time datetime = "19700101T00:00:00Z": When it last ran.
    run due_from datetime = "19700101T00:00:00Z" hidden: When it came to be as it is; what was due before is not missed.
    run leftovers set ref VDI hidden: Disks of snapshots that it takes away, until they are gone.
    run VMs set ref VM <> VM.snapshot_schedule: VMs that it makes snapshots of.
    """,
    messages="""
    set_type(self ref VMSS, value vmss_type)
        db pool-operator @7.2: Set type.
    set_last_run_time(self ref VMSS, value datetime)
        db pool-admin @7.2 sync: Set last_run_time.
    remove_from_schedule(self ref VMSS, key string)
        db pool-operator @7.2 sync: Remove a key from schedule.
    add_to_schedule(self ref VMSS, key string, value string)
        db pool-operator @7.2 sync: Add a key to schedule.
    set_schedule(self ref VMSS, value map string string)
        db pool-operator @7.2 sync: Set schedule.
    set_frequency(self ref VMSS, value vmss_frequency)
        db pool-operator @7.2 sync: Set frequency.
    set_retained_snapshots(self ref VMSS, value int)
        db pool-operator @7.2 sync: Set retained_snapshots.
    snapshot_now(vmss ref VMSS) -> string
        pool via pool-operator @7.2 sync: Make snapshots now.
    """,
)
