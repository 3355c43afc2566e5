"""SR: sr."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SR: Final[Class] = declare(
    "SR",
    "Sr.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run allowed_operations set storage_operations: What may be done to it now; advice only.
    run current_operations map string storage_operations: What is being done to it, by task.
    run VDIs set ref VDI <> VDI.SR: Vdis.
    run PBDs set ref PBD <> PBD.SR: Pbds.
    run virtual_allocation int: Virtual allocation.
    run physical_utilisation int: Physical utilisation.
    ins physical_size int: Physical size.
    ins type string: Type.
    ins content_type string: Content type.
    run shared bool: Shared.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run default_vdi_visibility bool hidden: Default vdi visibility.
    rw  sm_config map string string = {} @4.1: Sm config.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    run local_cache_enabled bool @5.6fp1: Local cache enabled.
    run introduced_by ref DR_task <> DR_task.introduced_SRs @6.0: Introduced by.
    run clustered bool @7.0: Clustered.
    run is_tools_sr bool @7.0: Is tools sr.
    """,
    messages="""
    create(host ref host, device_config map string string, physical_size int, name_label string,
        name_description string, type string, content_type string, shared bool, sm_config? map string string) ->
        ref SR
        host pool-operator: Create.
        ! SR_UNKNOWN_DRIVER
    introduce(uuid string, name_label string, name_description string, type string, content_type string, shared
        bool, sm_config? map string string) -> ref SR
        db pool-operator: Introduce.
    make(host ref host, device_config map string string, physical_size int, name_label string, name_description
        string, type string, content_type string, sm_config? map string string) -> string
        host pool-operator deprecated stub MESSAGE_DEPRECATED: Make.
    destroy(sr ref SR)
        host pool-operator: Destroy.
        ! SR_HAS_PBD
    forget(sr ref SR)
        host pool-operator: Forget.
        ! SR_HAS_PBD
    update(sr ref SR)
        host pool-operator: Update.
    get_supported_types() -> set string
        db read-only sync: Get supported types.
    scan(sr ref SR)
        host vm-power-admin: Scan.
    probe(host ref host, device_config map string string, type string, sm_config? map string string) -> string
        host pool-operator @4.1: Probe.
    set_shared(sr ref SR, value bool)
        db pool-operator: Set shared.
    set_name_label(sr ref SR, value string)
        host pool-operator: Set name label.
    set_name_description(sr ref SR, value string)
        host pool-operator: Set name description.
    create_new_blob(sr ref SR, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    set_physical_size(self ref SR, value int)
        db pool-operator @4.1 sync: Set physical size.
    set_virtual_allocation(self ref SR, value int)
        db pool-admin sync hidden: Set virtual allocation.
    set_physical_utilisation(self ref SR, value int)
        db pool-admin sync hidden: Set physical utilisation.
    assert_can_host_ha_statefile(sr ref SR)
        pool pool-operator @5.0: Assert can host ha statefile.
    assert_supports_database_replication(sr ref SR)
        pool pool-operator @6.0: Assert supports database replication.
    enable_database_replication(sr ref SR)
        host pool-operator @6.0: Enable database replication.
    disable_database_replication(sr ref SR)
        host pool-operator @6.0: Disable database replication.
    forget_data_source_archives(sr ref SR, data_source string)
        host pool-operator @7.0 sync: Forget data source archives.
    query_data_source(sr ref SR, data_source string) -> float
        host read-only @7.0 sync: Query data source.
    record_data_source(sr ref SR, data_source string)
        host pool-operator @7.0 sync: Record data source.
    get_data_sources(sr ref SR) -> set record data_source
        host read-only @7.0 sync: Get data sources.
    probe_ext(host ref host, device_config map string string, type string, sm_config map string string) -> set
        record probe_result
        host pool-operator @7.5: Probe ext.
    """,
)
