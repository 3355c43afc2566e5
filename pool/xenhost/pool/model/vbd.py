"""VBD: A disk drive of a VM."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VBD: Final[Class] = declare(
    "VBD",
    "A disk drive of a VM.",
    writer="vm-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    run allowed_operations set vbd_operations: What may be done to it now; advice only.
    run current_operations map string vbd_operations: What is being done to it, by task.
    ins VM ref VM <> VM.VBDs: The VM.
    ins VDI ref VDI <> VDI.VBDs: The disk in it.
    ins device string = "": Its name in the guest.
    rw  userdevice string: Its place, as the client said: a number or a name.
    rw  bootable bool: The VM may boot from it.
    ins mode vbd_mode: Whether the guest may write.
    rw  type vbd_type: Whether it is a disk, a CD drive, or a floppy drive.
    rw  unpluggable bool = true @4.1: It can be taken from the running VM.
    run storage_lock bool: The storage layer has locked it.
    ins empty bool: There is no disk in it.
    run reserved bool hidden: Something is being done to it.
    rw  other_config map string string: Keys of clients and of features that have no field.
    ins currently_attached bool = false: It is plugged.
    run status_code int: 0, or the number of an error.
    run status_detail string: What went wrong.
    run runtime_properties map string string: What its driver says.
    rw  qos_algorithm_type string: How its traffic is limited.
    rw  qos_algorithm_params map string string: Settings of that.
    run qos_supported_algorithms set string: How it could be limited.
    run metrics ref VBD_metrics deprecated: Measurements of old releases; null.
    """,
    messages="""
    eject(vbd ref VBD)
        host vm-operator: Take the disc out.
        ! VBD_NOT_REMOVABLE_MEDIA VBD_IS_EMPTY
    insert(vbd ref VBD, vdi ref VDI)
        host vm-operator: Put a disc in.
        ! VBD_NOT_REMOVABLE_MEDIA VBD_NOT_EMPTY
    plug(self ref VBD)
        host vm-admin: Connect it to the running VM.
    unplug(self ref VBD)
        host vm-admin: Take it from the running VM.
        ! DEVICE_DETACH_REJECTED DEVICE_ALREADY_DETACHED
    unplug_force(self ref VBD)
        host vm-admin: Take it from the running VM, whatever the guest says.
    assert_attachable(self ref VBD)
        pool vm-admin: Look whether it could be plugged.
    set_mode(self ref VBD, value vbd_mode)
        db vm-admin sync: Set mode.
    """,
)
