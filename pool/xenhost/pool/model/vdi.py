"""VDI: vdi."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VDI: Final[Class] = declare(
    "VDI",
    "Vdi.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run allowed_operations set vdi_operations: What may be done to it now; advice only.
    run current_operations map string vdi_operations: What is being done to it, by task.
    ins SR ref SR <> SR.VDIs: Sr.
    run VBDs set ref VBD <> VBD.VDI: Vbds.
    run crash_dumps set ref crashdump <> crashdump.VDI: Crash dumps.
    ins virtual_size int: Virtual size.
    run physical_utilisation int: Physical utilisation.
    ins type vdi_type: Type.
    ins sharable bool: Sharable.
    ins read_only bool: Read only.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    run storage_lock bool: Storage lock.
    run location string @4.1: Location.
    run managed bool: Managed.
    run missing bool: Missing.
    run parent ref VDI deprecated: Parent.
    rw  xenstore_data map string string = {} @4.1: Xenstore data.
    rw  sm_config map string string = {} @4.1: Sm config.
    run is_a_snapshot bool @5.0: Is a snapshot.
    run snapshot_of ref VDI <> VDI.snapshots @5.0: Snapshot of.
    run snapshots set ref VDI <> VDI.snapshot_of @5.0: Snapshots.
    run snapshot_time datetime = "19700101T00:00:00Z" @5.0: Snapshot time.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run allow_caching bool @5.6fp1: Allow caching.
    run on_boot on_boot = persist @5.6fp1: On boot.
    run metadata_of_pool ref pool <> pool.metadata_VDIs @6.0: Metadata of pool.
    run metadata_latest bool @6.0: Metadata latest.
    run is_tools_iso bool @7.0: Is tools iso.
    run cbt_enabled bool @7.3: Cbt enabled.
    """,
    messages="""
    snapshot(vdi ref VDI, driver_params? map string string) -> ref VDI
        host vm-admin: Snapshot.
    clone(vdi ref VDI, driver_params? map string string) -> ref VDI
        host vm-admin: Clone.
    resize(vdi ref VDI, size int)
        host vm-admin: Resize.
    resize_online(vdi ref VDI, size int)
        host vm-admin: Resize online.
    introduce(uuid string, name_label string, name_description string, SR ref SR, type vdi_type, sharable bool,
        read_only bool, other_config map string string, location string, xenstore_data? map string string,
        sm_config? map string string, managed? bool, virtual_size? int, physical_utilisation? int,
        metadata_of_pool? ref pool, is_a_snapshot? bool, snapshot_time? datetime, snapshot_of? ref VDI) -> ref
        VDI
        host vm-admin @4.1: Introduce.
        ! SR_OPERATION_NOT_SUPPORTED
    db_introduce(uuid string, name_label string, name_description string, SR ref SR, type vdi_type, sharable
        bool, read_only bool, other_config map string string, location string, xenstore_data? map string string,
        sm_config? map string string, managed? bool, virtual_size? int, physical_utilisation? int,
        metadata_of_pool? ref pool, is_a_snapshot? bool, snapshot_time? datetime, snapshot_of? ref VDI,
        cbt_enabled? bool) -> ref VDI
        db pool-admin hidden: Db introduce.
    db_forget(vdi ref VDI)
        db pool-admin hidden: Db forget.
    update(vdi ref VDI)
        host vm-admin: Update.
        ! SR_OPERATION_NOT_SUPPORTED
    copy(vdi ref VDI, sr? ref SR, base_vdi? ref VDI, into_vdi? ref VDI) -> ref VDI
        host vm-admin: Copy.
        ! VDI_READONLY VDI_TOO_SMALL VDI_NOT_SPARSE
    set_managed(self ref VDI, value bool)
        db pool-admin sync hidden: Set managed.
    forget(vdi ref VDI)
        db vm-admin: Forget.
    set_sharable(self ref VDI, value bool)
        db vm-admin @5.5 sync: Set sharable.
    set_read_only(self ref VDI, value bool)
        db vm-admin sync: Set read only.
    set_missing(self ref VDI, value bool)
        db pool-admin sync hidden: Set missing.
    set_virtual_size(self ref VDI, value int)
        db pool-admin sync hidden: Set virtual size.
    set_physical_utilisation(self ref VDI, value int)
        db pool-admin sync hidden: Set physical utilisation.
    set_is_a_snapshot(self ref VDI, value bool)
        db pool-admin sync hidden: Set is a snapshot.
    set_snapshot_of(self ref VDI, value ref VDI)
        db pool-admin sync hidden: Set snapshot of.
    set_snapshot_time(self ref VDI, value datetime)
        db pool-admin sync hidden: Set snapshot time.
    set_metadata_of_pool(self ref VDI, value ref pool)
        db pool-admin sync hidden: Set metadata of pool.
    set_name_label(self ref VDI, value string)
        host vm-admin: Set name label.
    set_name_description(self ref VDI, value string)
        host vm-admin: Set name description.
    set_on_boot(self ref VDI, value on_boot)
        host vm-admin @5.6fp1: Set on boot.
    set_allow_caching(self ref VDI, value bool)
        db vm-admin @5.6fp1: Set allow caching.
    open_database(self ref VDI) -> ref session
        host pool-operator @6.0: Open database.
    read_database_pool_uuid(self ref VDI) -> string
        pool read-only @6.0: Read database pool uuid.
    pool_migrate(vdi ref VDI, sr ref SR, options map string string) -> ref VDI
        host vm-power-admin @6.1: Pool migrate.
    create(args record VDI) -> ref VDI
        host vm-admin: Create.
    destroy(self ref VDI)
        host vm-admin: Destroy.
    revert(snapshot ref VDI)
        host vm-power-admin @26.16.0: Revert.
        ! UNIMPLEMENTED_IN_SM_BACKEND
    get_nbd_info(self ref VDI) -> set record vdi_nbd_server_info
        host vm-admin @7.3 sync: Get nbd info.
        ! VDI_INCOMPATIBLE_TYPE
    list_changed_blocks(vdi_from ref VDI, vdi_to ref VDI) -> string
        host vm-operator @7.3: List changed blocks.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS VDI_IN_USE
    data_destroy(self ref VDI)
        host vm-admin @7.3: Data destroy.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_NO_CBT_METADATA VDI_IN_USE VDI_IS_A_PHYSICAL_DEVICE
    disable_cbt(self ref VDI)
        host vm-admin @7.3: Disable cbt.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION
    enable_cbt(self ref VDI)
        host vm-admin @7.3: Enable cbt.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION
    set_cbt_enabled(self ref VDI, value bool)
        db pool-admin @7.3 sync hidden: Set cbt enabled.
    """,
)
