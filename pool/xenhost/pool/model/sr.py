"""SR: A storage repository: a place for virtual disks."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SR: Final[Class] = declare(
    "SR",
    "A storage repository: a place for virtual disks.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run allowed_operations set storage_operations: What may be done to it now; advice only.
    run current_operations map string storage_operations: What is being done to it, by task.
    run VDIs set ref VDI <> VDI.SR: Disks in it.
    run PBDs set ref PBD <> PBD.SR: Hosts' connections to it.
    run virtual_allocation int: Bytes that its disks could grow to.
    run physical_utilisation int: Bytes that are used.
    ins physical_size int: Bytes that it has.
    ins type string: The kind of SR.
    ins content_type string: What it is for.
    run shared bool: Several hosts can use it.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run default_vdi_visibility bool hidden: Disks in it are shown.
    rw  sm_config map string string = {} @4.1: Keys of its driver.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    run local_cache_enabled bool @5.6fp1: Hosts may cache disks in it.
    run introduced_by ref DR_task <> DR_task.introduced_SRs @6.0: The recovery that brought it in.
    run clustered bool @7.0: It needs a cluster of hosts.
    run is_tools_sr bool @7.0: It has the disc with drivers for guests.
    """,
    messages="""
    create(host ref host, device_config map string string, physical_size int, name_label string,
        name_description string, type string, content_type string, shared bool, sm_config? map string string) ->
        ref SR
        host pool-operator: Format storage, and make an SR of it.
        ! SR_UNKNOWN_DRIVER
    introduce(uuid string, name_label string, name_description string, type string, content_type string, shared
        bool, sm_config? map string string) -> ref SR
        db pool-operator: Make a record of an SR that exists.
    make(host ref host, device_config map string string, physical_size int, name_label string, name_description
        string, type string, content_type string, sm_config? map string string) -> string
        host pool-operator deprecated stub MESSAGE_DEPRECATED: Format storage, in the form of old releases.
    destroy(sr ref SR)
        host pool-operator: Destroy it, and what is in it.
        ! SR_HAS_PBD
    forget(sr ref SR)
        host pool-operator: Remove the record, and leave the storage.
        ! SR_HAS_PBD
    update(sr ref SR)
        host pool-operator: Read its properties from its driver again.
    get_supported_types() -> set string
        db read-only sync: Kinds of SR that hosts can drive.
    scan(sr ref SR)
        host vm-power-admin: Look again which disks are in it.
    probe(host ref host, device_config map string string, type string, sm_config? map string string) -> string
        host pool-operator @4.1: Look what is at a place, as XML.
    set_shared(sr ref SR, value bool)
        db pool-operator: Say whether several hosts can use it.
    set_name_label(sr ref SR, value string)
        host pool-operator: Set name_label.
    set_name_description(sr ref SR, value string)
        host pool-operator: Set name_description.
    create_new_blob(sr ref SR, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    set_physical_size(self ref SR, value int)
        db pool-operator @4.1 sync: Record its size; for storage plugins.
    set_virtual_allocation(self ref SR, value int)
        db pool-admin sync hidden: Record what its disks could grow to; for storage plugins.
    set_physical_utilisation(self ref SR, value int)
        db pool-admin sync hidden: Record how much is used; for storage plugins.
    assert_can_host_ha_statefile(sr ref SR)
        pool pool-operator @5.0: Look whether hosts could see each other by it.
    assert_supports_database_replication(sr ref SR)
        pool pool-operator @6.0: Look whether it can hold the pool's database.
    enable_database_replication(sr ref SR)
        host pool-operator @6.0: Keep a copy of the pool's database in it.
    disable_database_replication(sr ref SR)
        host pool-operator @6.0: Keep none.
    forget_data_source_archives(sr ref SR, data_source string)
        host pool-operator @7.0 sync: Forget what was recorded of a measurement.
    query_data_source(sr ref SR, data_source string) -> float
        host read-only @7.0 sync: The last value of a measurement.
    record_data_source(sr ref SR, data_source string)
        host pool-operator @7.0 sync: Begin to record a measurement.
    get_data_sources(sr ref SR) -> set record data_source
        host read-only @7.0 sync: What can be measured of it.
    probe_ext(host ref host, device_config map string string, type string, sm_config map string string) -> set
        record probe_result
        host pool-operator @7.5: Look what is at a place.
    """,
)
