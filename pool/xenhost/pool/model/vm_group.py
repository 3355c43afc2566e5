"""VM_group: VMs that should run together, or apart."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_GROUP: Final[Class] = declare(
    "VM_group",
    "VMs that should run together, or apart.",
    writer="vm-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="24.19.1",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    ins placement placement_policy = normal @24.19.1: Which of both.
    run VMs set ref VM <> VM.groups @24.19.1: The VMs in it.
    """,
)
