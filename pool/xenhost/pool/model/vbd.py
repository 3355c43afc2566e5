"""VBD: vbd."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VBD: Final[Class] = declare(
    "VBD",
    "Vbd.",
    writer="vm-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    run allowed_operations set vbd_operations: What may be done to it now; advice only.
    run current_operations map string vbd_operations: What is being done to it, by task.
    ins VM ref VM <> VM.VBDs: Vm.
    ins VDI ref VDI <> VDI.VBDs: Vdi.
    ins device string = "": Device.
    rw  userdevice string: Userdevice.
    rw  bootable bool: Bootable.
    ins mode vbd_mode: Mode.
    rw  type vbd_type: Type.
    rw  unpluggable bool = true @4.1: Unpluggable.
    run storage_lock bool: Storage lock.
    ins empty bool: Empty.
    run reserved bool hidden: Reserved.
    rw  other_config map string string: Keys of clients and of features that have no field.
    ins currently_attached bool = false: Currently attached.
    run status_code int: Status code.
    run status_detail string: Status detail.
    run runtime_properties map string string: Runtime properties.
    rw  qos_algorithm_type string: Qos algorithm type.
    rw  qos_algorithm_params map string string: Qos algorithm params.
    run qos_supported_algorithms set string: Qos supported algorithms.
    run metrics ref VBD_metrics deprecated: Metrics.
    """,
    messages="""
    eject(vbd ref VBD)
        host vm-operator: Eject.
        ! VBD_NOT_REMOVABLE_MEDIA VBD_IS_EMPTY
    insert(vbd ref VBD, vdi ref VDI)
        host vm-operator: Insert.
        ! VBD_NOT_REMOVABLE_MEDIA VBD_NOT_EMPTY
    plug(self ref VBD)
        host vm-admin: Plug.
    unplug(self ref VBD)
        host vm-admin: Unplug.
        ! DEVICE_DETACH_REJECTED DEVICE_ALREADY_DETACHED
    unplug_force(self ref VBD)
        host vm-admin: Unplug force.
    assert_attachable(self ref VBD)
        pool vm-admin: Assert attachable.
    set_mode(self ref VBD, value vbd_mode)
        db vm-admin sync: Set mode.
    """,
)
