"""host: host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST: Final[Class] = declare(
    "host",
    "Host.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    run memory_overhead int: Memory overhead.
    run allowed_operations set host_allowed_operations: What may be done to it now; advice only.
    run current_operations map string host_allowed_operations: What is being done to it, by task.
    run API_version_major int: Api version major.
    run API_version_minor int: Api version minor.
    run API_version_vendor string: Api version vendor.
    run API_version_vendor_implementation map string string: Api version vendor implementation.
    run enabled bool: Enabled.
    ins software_version map string string: Software version.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    ins capabilities set string: Capabilities.
    run cpu_configuration map string string: Cpu configuration.
    run sched_policy string: Sched policy.
    run supported_bootloaders set string: Supported bootloaders.
    run resident_VMs set ref VM <> VM.resident_on: Resident vms.
    rw  logging map string string: Logging.
    run PIFs set ref PIF <> PIF.host: Pifs.
    rw  suspend_image_sr ref SR: Suspend image sr.
    rw  crash_dump_sr ref SR: Crash dump sr.
    run crashdumps set ref host_crashdump <> host_crashdump.host: Crashdumps.
    run patches set ref host_patch <> host_patch.host deprecated: Patches.
    run PBDs set ref PBD <> PBD.host: Pbds.
    run host_CPUs set ref host_cpu <> host_cpu.host: Host cpus.
    run cpu_info map string string @5.6: Cpu info.
    rw  hostname string: Hostname.
    rw  address string: Address.
    run metrics ref host_metrics: Metrics.
    run license_params map string string: License params.
    run boot_free_mem int hidden: Boot free mem.
    run ha_statefiles set string @5.0: Ha statefiles.
    run ha_network_peers set string @5.0: Ha network peers.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run external_auth_type string @5.5: External auth type.
    run external_auth_service_name string @5.5: External auth service name.
    run external_auth_configuration map string string @5.5: External auth configuration.
    run edition string @5.6: Edition.
    rw  license_server map string string = {"address":"localhost","port":"27000"} @5.6: License server.
    run bios_strings map string string @5.6: Bios strings.
    run power_on_mode string @5.6: Power on mode.
    run power_on_config map string string @5.6: Power on config.
    ins local_cache_sr ref SR = OpaqueRef:NULL @5.6fp1: Local cache sr.
    run chipset_info map string string @6.0: Chipset info.
    run PCIs set ref PCI <> PCI.host @6.0: Pcis.
    run PGPUs set ref PGPU <> PGPU.host @6.0: Pgpus.
    rw  guest_VCPUs_params map string string = {} @6.1: Guest vcpus params.
    rw  display host_display = enabled @6.5sp1: Display.
    run virtual_hardware_platform_versions set int = [0] @6.5sp1: Virtual hardware platform versions.
    run updates set ref pool_update <> pool_update.hosts @7.1: Updates.
    run PUSBs set ref PUSB <> PUSB.host @7.3: Pusbs.
    ins ssl_legacy bool = true @7.0 deprecated: Ssl legacy.
    run control_domain ref VM @7.1: Control domain.
    run updates_requiring_reboot set ref pool_update @7.1: Updates requiring reboot.
    run features set ref Feature <> Feature.host @7.2: Features.
    ins iscsi_iqn string = "" @7.5: Iscsi iqn.
    ins multipathing bool = false @7.5: Multipathing.
    ins uefi_certificates string = "" @8.1 deprecated: Uefi certificates.
    run certificates set ref Certificate <> Certificate.host @8.2: Certificates.
    run editions set string @8.2: Editions.
    run pending_guidances set update_guidances @1.303.0: Pending guidances.
    run tls_verification_enabled bool @1.313.0: Tls verification enabled.
    run last_software_update datetime = "19700101T00:00:00Z" @22.20.0: Last software update.
    run https_only bool @22.27.0: Https only.
    run latest_synced_updates_applied latest_synced_updates_applied_state = unknown @23.18.0: Latest synced updates
            applied.
    run numa_affinity_policy host_numa_affinity_policy = default_policy @24.0.0: Numa affinity policy.
    run pending_guidances_recommended set update_guidances @24.10.0: Pending guidances recommended.
    run pending_guidances_full set update_guidances @24.10.0: Pending guidances full.
    run last_update_hash string @24.10.0: Last update hash.
    run ssh_enabled bool = true @25.21.0: Ssh enabled.
    run ssh_enabled_timeout int @25.21.0: Ssh enabled timeout.
    run ssh_expiry datetime = "19700101T00:00:00Z" @25.21.0: Ssh expiry.
    run console_idle_timeout int @25.21.0: Console idle timeout.
    run ssh_auto_mode bool @25.27.0: Ssh auto mode.
    run max_cstate string @26.0.0: Max cstate.
    run secure_boot bool @25.31.0: Secure boot.
    run ntp_mode host_ntp_mode = Factory @26.0.0: Ntp mode.
    run ntp_custom_servers set string @26.0.0: Ntp custom servers.
    run timezone string = "UTC" @26.0.0: Timezone.
    """,
    messages="""
    disable(host ref host, auto_enable? bool = true)
        host pool-operator: Disable.
    enable(host ref host)
        host pool-operator: Enable.
    shutdown(host ref host)
        host pool-operator: Shutdown.
    reboot(host ref host)
        host pool-operator: Reboot.
    dmesg(host ref host) -> string
        host pool-operator: Dmesg.
    dmesg_clear(host ref host) -> string
        host pool-operator stub NOT_IMPLEMENTED: Dmesg clear.
    get_log(host ref host) -> string
        host read-only stub NOT_IMPLEMENTED: Get log.
    send_debug_keys(host ref host, keys string)
        host pool-admin: Send debug keys.
    bugreport_upload(host ref host, url string, options map string string)
        host pool-operator: Bugreport upload.
    list_methods() -> set string
        db read-only sync stub NOT_IMPLEMENTED: List methods.
    license_apply(host ref host, contents string)
        host pool-operator deprecated stub MESSAGE_REMOVED: License apply.
        ! LICENSE_PROCESSING_ERROR
    destroy(self ref host)
        pool pool-operator: Destroy.
    power_on(host ref host)
        host pool-operator @5.0: Power on.
    emergency_ha_disable(soft? bool)
        host pool-operator @5.0 sync: Emergency ha disable.
    get_data_sources(host ref host) -> set record data_source
        host read-only @5.0 sync: Get data sources.
    record_data_source(host ref host, data_source string)
        host pool-operator @5.0 sync: Record data source.
    query_data_source(host ref host, data_source string) -> float
        host read-only @5.0 sync: Query data source.
    forget_data_source_archives(host ref host, data_source string)
        host pool-operator @5.0 sync: Forget data source archives.
    assert_can_evacuate(host ref host)
        pool pool-operator @4.1: Assert can evacuate.
    get_vms_which_prevent_evacuation(self ref host) -> map ref VM set string
        pool read-only @5.0: Get vms which prevent evacuation.
    get_uncooperative_resident_VMs(self ref host) -> set ref VM
        db read-only @5.6 deprecated: Get uncooperative resident vms.
    evacuate(host ref host, network? ref network, evacuate_batch_size? int)
        pool via pool-operator @4.1: Evacuate.
    syslog_reconfigure(host ref host)
        host pool-operator @4.1: Syslog reconfigure.
    management_reconfigure(pif ref PIF)
        host pool-operator @4.1: Management reconfigure.
    local_management_reconfigure(interface string)
        host pool-operator @4.1 sync: Local management reconfigure.
    management_disable()
        host pool-operator @4.1 sync: Management disable.
    get_management_interface(host ref host) -> ref PIF
        db pool-operator @6.1: Get management interface.
    get_system_status_capabilities(host ref host) -> string
        host read-only @4.1 sync: Get system status capabilities.
    restart_agent(host ref host)
        host pool-operator: Restart agent.
    shutdown_agent()
        host pool-operator @5.0 sync: Shutdown agent.
    set_hostname_live(host ref host, hostname string)
        host pool-operator @4.1 sync: Set hostname live.
        ! HOST_NAME_INVALID
    compute_free_memory(host ref host) -> int
        pool read-only @5.0: Compute free memory.
    compute_memory_overhead(host ref host) -> int
        pool read-only @5.6: Compute memory overhead.
    sync_data(host ref host)
        host pool-admin @5.0 sync: Sync data.
    backup_rrds(host ref host, delay float)
        host pool-admin @5.0 sync: Backup rrds.
    create_new_blob(host ref host, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    call_plugin(host ref host, plugin string, fn string, args map string string) -> string
        host pool-admin @5.0: Call plugin.
    get_servertime(host ref host) -> datetime
        host read-only @5.0 sync: Get servertime.
    get_server_localtime(host ref host) -> datetime
        host read-only @5.6fp1 sync: Get server localtime.
    enable_external_auth(host ref host, config map string string, service_name string, auth_type string)
        host pool-admin @5.5 sync: Enable external auth.
    disable_external_auth(host ref host, config? map string string, force? bool)
        host pool-admin @5.5 sync: Disable external auth.
    retrieve_wlb_evacuate_recommendations(self ref host) -> map ref VM set string
        pool read-only @5.5: Retrieve wlb evacuate recommendations.
    get_server_certificate(host ref host) -> string
        host read-only @5.5: Get server certificate.
    apply_edition(host ref host, edition string, force? bool)
        host pool-operator @5.6 sync: Apply edition.
    refresh_pack_info(host ref host)
        host pool-operator @5.6 deprecated: Refresh pack info.
    set_power_on_mode(self ref host, power_on_mode string, power_on_config map string string)
        db pool-operator @5.6fp1: Set power on mode.
    set_cpu_features(host ref host, features string)
        host pool-operator @5.6 sync deprecated: Set cpu features.
    reset_cpu_features(host ref host)
        host pool-operator @5.6 sync deprecated: Reset cpu features.
    enable_local_storage_caching(host ref host, sr ref SR)
        host pool-operator @5.6fp1 sync: Enable local storage caching.
    disable_local_storage_caching(host ref host)
        host pool-operator @5.6fp1 sync: Disable local storage caching.
    migrate_receive(host ref host, network ref network, options map string string) -> map string string
        pool vm-power-admin @6.1: Migrate receive.
    declare_dead(host ref host)
        pool pool-operator @6.2: Declare dead.
    enable_display(host ref host) -> host_display
        host pool-operator @6.5sp1: Enable display.
    disable_display(host ref host) -> host_display
        host pool-operator @6.5sp1: Disable display.
    set_servertime(self ref host, value datetime)
        host pool-operator @26.0.0: Set servertime.
    get_ntp_synchronized(self ref host) -> bool
        host read-only @26.0.0: Get ntp synchronized.
    list_timezones(self ref host) -> set string
        host read-only @26.0.0: List timezones.
    set_timezone(self ref host, value string)
        host pool-operator @26.0.0: Set timezone.
    get_ntp_servers_status(self ref host) -> map string string
        host read-only @26.0.0: Get ntp servers status.
    set_ntp_custom_servers(self ref host, value set string)
        host pool-operator @26.0.0: Set ntp custom servers.
    set_ntp_mode(self ref host, value host_ntp_mode)
        host pool-operator @26.0.0: Set ntp mode.
    set_max_cstate(self ref host, value string)
        host pool-operator @26.0.0: Set max cstate.
    get_tracked_user_agents(self ref host) -> map string string
        host read-only @25.34.0: Get tracked user agents.
    set_ssh_auto_mode(self ref host, value bool)
        host pool-admin @25.27.0: Set ssh auto mode.
    set_console_idle_timeout(self ref host, value int)
        host pool-admin @25.21.0: Set console idle timeout.
    set_ssh_enabled_timeout(self ref host, value int)
        host pool-admin @25.21.0: Set ssh enabled timeout.
    disable_ssh(self ref host)
        host pool-admin @25.13.0: Disable ssh.
    enable_ssh(self ref host)
        host pool-admin @25.13.0: Enable ssh.
    emergency_clear_mandatory_guidance()
        host pool-admin @24.10.0: Emergency clear mandatory guidance.
    apply_recommended_guidances(self ref host)
        host pool-operator @23.18.0 sync deprecated: Apply recommended guidances.
    set_https_only(self ref host, value bool)
        host pool-operator @22.27.0: Set https only.
    rescan_drivers(self ref host)
        host pool-admin @25.2.0: Rescan drivers.
    apply_updates(self ref host, hash string) -> set set string
        host pool-operator @1.301.0: Apply updates.
    emergency_reenable_tls_verification()
        host pool-admin @1.298.0: Emergency reenable tls verification.
    emergency_disable_tls_verification()
        host pool-admin @1.290.0 sync: Emergency disable tls verification.
    set_numa_affinity_policy(self ref host, value host_numa_affinity_policy)
        host pool-admin @24.0.0: Set numa affinity policy.
    get_sched_gran(self ref host) -> host_sched_gran
        host pool-admin @1.271.0 sync: Get sched gran.
    set_sched_gran(self ref host, value host_sched_gran)
        host pool-admin @1.271.0: Set sched gran.
    set_uefi_certificates(host ref host, value string)
        host pool-admin @8.1 deprecated: Set uefi certificates.
    set_multipathing(host ref host, value bool)
        host pool-operator @7.5: Set multipathing.
    set_iscsi_iqn(host ref host, value string)
        host pool-operator @7.5: Set iscsi iqn.
    set_ssl_legacy(self ref host, value bool)
        host pool-operator @7.0 sync: Set ssl legacy.
    reset_server_certificate(host ref host)
        host pool-admin @1.290.0 sync: Reset server certificate.
    emergency_reset_server_certificate()
        host pool-admin @8.2: Emergency reset server certificate.
    install_server_certificate(host ref host, certificate string, private_key string, certificate_chain? string)
        host pool-admin @8.2: Install server certificate.
    refresh_server_certificate(host ref host)
        host pool-admin @1.307.0 sync: Refresh server certificate.
    external_auth_set_ldaps(host ref host, ldaps bool, force? bool)
        host pool-admin @26.16.0: External auth set ldaps.
    call_extension(host ref host, call string) -> string
        host pool-admin @7.1 sync: Call extension.
    has_extension(host ref host, name string) -> bool
        host pool-admin @7.1: Has extension.
    license_remove(host ref host)
        host pool-operator @6.5sp1: License remove.
    license_add(host ref host, contents string)
        host pool-operator @6.5sp1: License add.
        ! LICENSE_PROCESSING_ERROR
    """,
)
