"""VDI: A virtual disk image in an SR."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VDI: Final[Class] = declare(
    "VDI",
    "A virtual disk image in an SR.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run allowed_operations set vdi_operations: What may be done to it now; advice only.
    run current_operations map string vdi_operations: What is being done to it, by task.
    ins SR ref SR <> SR.VDIs: The SR it is in.
    run VBDs set ref VBD <> VBD.VDI: What connects it to VMs.
    run crash_dumps set ref crashdump <> crashdump.VDI: Crash dumps that it holds.
    ins virtual_size int: The size that a guest sees, in bytes.
    run physical_utilisation int: What it takes of the SR, in bytes.
    ins type vdi_type: What it is for: a system disk, a suspend image, a crash dump, and so on.
    ins sharable bool: Several VMs may write it at once.
    ins read_only bool: Nobody may write it.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    run storage_lock bool: The storage layer has locked it.
    run location string @4.1: How its SR calls it.
    run managed bool: It is for clients; others only hold blocks of such.
    run missing bool: A scan of the SR did not find it.
    run parent ref VDI deprecated: Always null: the chain is an affair of the SR.
    rw  xenstore_data map string string = {} @4.1: What to put into the xenstore for its device.
    rw  sm_config map string string = {} @4.1: Keys of the SR's driver.
    run is_a_snapshot bool @5.0: It was made as a snapshot.
    run snapshot_of ref VDI <> VDI.snapshots @5.0: The VDI it is a snapshot of.
    run snapshots set ref VDI <> VDI.snapshot_of @5.0: Its snapshots.
    run snapshot_time datetime = "19700101T00:00:00Z" @5.0: When it was made as a snapshot.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run allow_caching bool @5.6fp1: A host may keep a local cache of it.
    run on_boot on_boot = persist @5.6fp1: Whether a start of the VM keeps its content, or begins with what was
            there before.
    run metadata_of_pool ref pool <> pool.metadata_VDIs @6.0: The pool whose database it holds.
    run metadata_latest bool @6.0: It holds the newest database of that pool.
    run is_tools_iso bool @7.0: It is the disc with drivers and tools for guests.
    run cbt_enabled bool @7.3: Changed blocks are tracked.
    """,
    messages="""
    snapshot(vdi ref VDI, driver_params? map string string) -> ref VDI
        host vm-admin: Make a snapshot of it.
    clone(vdi ref VDI, driver_params? map string string) -> ref VDI
        host vm-admin: Make a copy of it that shares blocks where the SR can.
    resize(vdi ref VDI, size int)
        host vm-admin: Make it larger.
    resize_online(vdi ref VDI, size int)
        host vm-admin: Make it larger while a VM uses it.
    introduce(uuid string, name_label string, name_description string, SR ref SR, type vdi_type, sharable bool,
        read_only bool, other_config map string string, location string, xenstore_data? map string string,
        sm_config? map string string, managed? bool = true, virtual_size? int, physical_utilisation? int,
        metadata_of_pool? ref pool, is_a_snapshot? bool, snapshot_time? datetime, snapshot_of? ref VDI) -> ref
        VDI
        host vm-admin @4.1: Make a record of an image that the SR has.
        ! SR_OPERATION_NOT_SUPPORTED
    db_introduce(uuid string, name_label string, name_description string, SR ref SR, type vdi_type, sharable
        bool, read_only bool, other_config map string string, location string, xenstore_data? map string string,
        sm_config? map string string, managed? bool = true, virtual_size? int, physical_utilisation? int,
        metadata_of_pool? ref pool, is_a_snapshot? bool, snapshot_time? datetime, snapshot_of? ref VDI,
        cbt_enabled? bool) -> ref VDI
        db pool-admin hidden: Make a record only, nothing is asked of the SR; for storage plugins.
    db_forget(vdi ref VDI)
        db pool-admin hidden: Remove the record only; for storage plugins.
    update(vdi ref VDI)
        host vm-admin: Read its properties from the SR again.
        ! SR_OPERATION_NOT_SUPPORTED
    copy(vdi ref VDI, sr? ref SR, base_vdi? ref VDI, into_vdi? ref VDI) -> ref VDI
        host vm-admin: Make a full copy of it, in another SR or into another VDI.
        ! VDI_READONLY VDI_TOO_SMALL VDI_NOT_SPARSE
    set_managed(self ref VDI, value bool)
        db pool-admin sync hidden: Say whether it is for clients; for storage plugins.
    forget(vdi ref VDI)
        db vm-admin: Remove the record, and leave the image.
    set_sharable(self ref VDI, value bool)
        db vm-admin @5.5 sync: Set sharable.
    set_read_only(self ref VDI, value bool)
        db vm-admin sync: Set read_only.
    set_missing(self ref VDI, value bool)
        db pool-admin sync hidden: Say whether a scan found it; for storage plugins.
    set_virtual_size(self ref VDI, value int)
        db pool-admin sync hidden: Record another size; for storage plugins.
    set_physical_utilisation(self ref VDI, value int)
        db pool-admin sync hidden: Record how much it takes; for storage plugins.
    set_is_a_snapshot(self ref VDI, value bool)
        db pool-admin sync hidden: Record whether it is a snapshot; for storage plugins.
    set_snapshot_of(self ref VDI, value ref VDI)
        db pool-admin sync hidden: Record what it is a snapshot of; for storage plugins.
    set_snapshot_time(self ref VDI, value datetime)
        db pool-admin sync hidden: Record when it was made as a snapshot; for storage plugins.
    set_metadata_of_pool(self ref VDI, value ref pool)
        db pool-admin sync hidden: Record whose database it holds; for storage plugins.
    set_name_label(self ref VDI, value string)
        host vm-admin: Set name_label.
    set_name_description(self ref VDI, value string)
        host vm-admin: Set name_description.
    set_on_boot(self ref VDI, value on_boot)
        host vm-admin @5.6fp1: Set on_boot.
    set_allow_caching(self ref VDI, value bool)
        db vm-admin @5.6fp1: Set allow_caching.
    open_database(self ref VDI) -> ref session
        host pool-operator @6.0: Open the pool database in it, and get a session to that.
    read_database_pool_uuid(self ref VDI) -> string
        pool read-only @6.0: The UUID of the pool whose database it holds.
    pool_migrate(vdi ref VDI, sr ref SR, options map string string) -> ref VDI
        host vm-power-admin @6.1: Move it to another SR, also under a running VM.
    create(args record VDI) -> ref VDI
        host vm-admin: Make a disk in an SR; size, type and name are in the record.
    destroy(self ref VDI)
        host vm-admin: Remove it, the image as well.
    revert(snapshot ref VDI)
        host vm-power-admin @26.16.0: Take the content of a snapshot again.
        ! UNIMPLEMENTED_IN_SM_BACKEND
    generate_config(host ref host, vdi ref VDI) -> string
        host vm-admin @5.0 hidden: What a host's driver needs to attach it by itself, for static VDIs.
        ! SR_OPERATION_NOT_SUPPORTED VDI_IN_USE
    get_nbd_info(self ref VDI) -> set record vdi_nbd_server_info
        host vm-admin @7.3 sync: Where and with which key it can be read over NBD.
        ! VDI_INCOMPATIBLE_TYPE
    list_changed_blocks(vdi_from ref VDI, vdi_to ref VDI) -> string
        host vm-operator @7.3: Which blocks differ between two VDIs, as a bitmap in base64.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS VDI_IN_USE
    data_destroy(self ref VDI)
        host vm-admin @7.3: Remove the data of a snapshot, and keep what is known of changed blocks.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_NO_CBT_METADATA VDI_IN_USE VDI_IS_A_PHYSICAL_DEVICE
    disable_cbt(self ref VDI)
        host vm-admin @7.3: Stop tracking changed blocks.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION
    enable_cbt(self ref VDI)
        host vm-admin @7.3: Begin to track changed blocks.
        ! SR_OPERATION_NOT_SUPPORTED VDI_MISSING SR_NOT_ATTACHED SR_HAS_NO_PBDS OPERATION_NOT_ALLOWED
        VDI_INCOMPATIBLE_TYPE VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION
    set_cbt_enabled(self ref VDI, value bool)
        db pool-admin @7.3 sync hidden: Say whether changed blocks are tracked; for storage plugins.
    """,
)
