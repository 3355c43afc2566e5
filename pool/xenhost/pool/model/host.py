"""host: A physical machine."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST: Final[Class] = declare(
    "host",
    "A physical machine.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    run memory_overhead int: Bytes that Xen and dom0's tools need.
    run allowed_operations set host_allowed_operations: What may be done to it now; advice only.
    run current_operations map string host_allowed_operations: What is being done to it, by task.
    run API_version_major int: The first number of the API it speaks.
    run API_version_minor int: The second number of the API.
    run API_version_vendor string: Who made its software.
    run API_version_vendor_implementation map string string: Details of its software.
    run enabled bool: VMs may be started on it.
    ins software_version map string string: Versions of its software.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*: Keys of clients and of
            features that have no field.
    ins capabilities set string: What Xen says it can run.
    run cpu_configuration map string string: Its CPUs, as Xen counts them.
    run sched_policy string: The scheduler of Xen.
    run supported_bootloaders set string: Bootloaders that it has for PV guests.
    run resident_VMs set ref VM <> VM.resident_on: VMs that run on it, its own domain included.
    rw  logging map string string: Where its log goes.
    run PIFs set ref PIF <> PIF.host: Its network cards, bonds and VLANs.
    rw  suspend_image_sr ref SR: Where VMs on it are suspended to.
    rw  crash_dump_sr ref SR: Where its crash dumps go.
    run crashdumps set ref host_crashdump <> host_crashdump.host: Its crash dumps.
    run patches set ref host_patch <> host_patch.host deprecated: Patches of old releases that it has.
    run PBDs set ref PBD <> PBD.host: Its connections to SRs.
    run host_CPUs set ref host_cpu <> host_cpu.host: Its CPUs.
    run cpu_info map string string @5.6: What kind of CPUs it has.
    rw  hostname string: Its name in the network.
    rw  address string: Its address, as others reach it.
    run metrics ref host_metrics: What is measured of it.
    run license_params map string string: What its licence says.
    run boot_free_mem int hidden: Bytes that were free when it booted.
    run destroyed_networks set string hidden: UUIDs of networks that were destroyed while it was away.
    run nbd_vdis set string hidden: UUIDs of VDIs that it serves over NBD for sessions.
    run ha_statefiles set string @5.0: Disks by which it sees the others.
    run ha_network_peers set string @5.0: Hosts that it can reach.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run external_auth_type string @5.5: The kind of directory it asks.
    run external_auth_service_name string @5.5: The name of that directory.
    run external_auth_configuration map string string @5.5: Settings of that.
    run edition string @5.6: The edition of its software.
    rw  license_server map string string = {"address":"localhost","port":"27000"} @5.6: Where its licence comes
            from.
    run bios_strings map string string @5.6: What its firmware says of its maker.
    run power_on_mode string @5.6: How it is switched on from afar.
    run power_on_config map string string @5.6: Settings of that.
    ins local_cache_sr ref SR = OpaqueRef:NULL @5.6fp1: Where it caches disks.
    run chipset_info map string string @6.0: What its chipset can do.
    run PCIs set ref PCI <> PCI.host @6.0: Its PCI devices.
    run PGPUs set ref PGPU <> PGPU.host @6.0: Its GPUs.
    rw  guest_VCPUs_params map string string = {} @6.1: Settings for CPUs of all VMs on it.
    rw  display host_display = enabled @6.5sp1: Whether its own screen is used.
    run virtual_hardware_platform_versions set int = [0] @6.5sp1: Versions of virtual hardware it can offer.
    run updates set ref pool_update <> pool_update.hosts @7.1: Updates that it has.
    run PUSBs set ref PUSB <> PUSB.host @7.3: Its USB devices.
    ins ssl_legacy bool = true @7.0 deprecated: It allows old TLS.
    run control_domain ref VM @7.1: Its dom0.
    run updates_requiring_reboot set ref pool_update @7.1: Updates that are there after its next boot.
    run features set ref Feature <> Feature.host @7.2: Features that it has.
    ins iscsi_iqn string = "" @7.5: Its name as an iSCSI initiator.
    ins multipathing bool = false @7.5: It uses several ways to its storage.
    ins uefi_certificates string = "" @8.1 deprecated: Secure-boot certificates of its guests.
    run certificates set ref Certificate <> Certificate.host @8.2: Its certificates.
    run editions set string @8.2: Editions it could have.
    run pending_guidances set update_guidances @1.303.0: What must be done to it after updates.
    run tls_verification_enabled bool @1.313.0: It verifies the certificates of others.
    run last_software_update datetime = "19700101T00:00:00Z" @22.20.0: When it was last updated.
    run https_only bool @22.27.0: Its port 80 is closed.
    run latest_synced_updates_applied latest_synced_updates_applied_state = unknown @23.18.0: It has all updates
            that were fetched.
    run numa_affinity_policy host_numa_affinity_policy = default_policy @24.0.0: How VMs are put on its nodes.
    run pending_guidances_recommended set update_guidances @24.10.0: What should be done to it after updates.
    run pending_guidances_full set update_guidances @24.10.0: What had best be done to it after updates.
    run last_update_hash string @24.10.0: The state of updates that it has.
    run ssh_enabled bool = true @25.21.0: SSH is open.
    run ssh_enabled_timeout int @25.21.0: Seconds after which SSH closes again; 0 is never.
    run ssh_expiry datetime = "19700101T00:00:00Z" @25.21.0: When it closes.
    run console_idle_timeout int @25.21.0: Seconds after which an idle console ends; 0 is never.
    run ssh_auto_mode bool @25.27.0: SSH is closed while the API answers.
    run max_cstate string @26.0.0: How deep its CPUs may sleep; empty is without limit.
    run secure_boot bool @25.31.0: It has booted securely.
    run ntp_mode host_ntp_mode = Factory @26.0.0: Where its time comes from.
    run ntp_custom_servers set string @26.0.0: Time servers that the operator chose.
    run timezone string = "UTC" @26.0.0: Its time zone.
    """,
    messages="""
    disable(host ref host, auto_enable? bool = true)
        host pool-operator: Let no VM start on it.
    enable(host ref host)
        host pool-operator: Let VMs start on it again.
    shutdown(host ref host)
        host pool-operator: Switch it off; it must be disabled and empty.
    reboot(host ref host)
        host pool-operator: Reboot it; it must be disabled and empty.
    dmesg(host ref host) -> string
        host pool-operator: Xen's messages.
    dmesg_clear(host ref host) -> string
        host pool-operator stub NOT_IMPLEMENTED: Xen's messages, which are then forgotten.
    get_log(host ref host) -> string
        host read-only stub NOT_IMPLEMENTED: Its log.
    send_debug_keys(host ref host, keys string)
        host pool-admin: Press keys of Xen's debugger.
    bugreport_upload(host ref host, url string, options map string string)
        host pool-operator: Send a bug report somewhere.
    list_methods() -> set string
        db read-only sync stub NOT_IMPLEMENTED: All methods of the API.
    license_apply(host ref host, contents string)
        host pool-operator deprecated stub MESSAGE_REMOVED: Give it a licence.
        ! LICENSE_PROCESSING_ERROR
    destroy(self ref host)
        pool pool-operator: Remove the record of a lost host.
    power_on(host ref host)
        host pool-operator @5.0: Switch it on from afar.
    emergency_ha_disable(soft? bool)
        host pool-operator @5.0 sync: Give up restarting VMs, on this host alone.
    get_data_sources(host ref host) -> set record data_source
        host read-only @5.0 sync: What can be measured of it.
    record_data_source(host ref host, data_source string)
        host pool-operator @5.0 sync: Begin to record a measurement.
    query_data_source(host ref host, data_source string) -> float
        host read-only @5.0 sync: The last value of a measurement.
    forget_data_source_archives(host ref host, data_source string)
        host pool-operator @5.0 sync: Forget what was recorded of a measurement.
    assert_can_evacuate(host ref host)
        pool pool-operator @4.1: Look whether all its VMs could go elsewhere.
    get_vms_which_prevent_evacuation(self ref host) -> map ref VM set string
        pool read-only @5.0: VMs that could not, and why.
    get_uncooperative_resident_VMs(self ref host) -> set ref VM
        db read-only @5.6 deprecated: Always empty.
    evacuate(host ref host, network? ref network, evacuate_batch_size? int)
        pool via pool-operator @4.1: Move all its VMs elsewhere; each guest stands still meanwhile.
    syslog_reconfigure(host ref host)
        host pool-operator @4.1: Apply its setting of where the log goes.
    management_reconfigure(pif ref PIF)
        host pool-operator @4.1: Move its management to another interface.
    local_management_reconfigure(interface string)
        host pool-operator @4.1 sync: The same, for this host, by the name of a device.
    management_disable()
        host pool-operator @4.1 sync: Take its management off the network.
    get_management_interface(host ref host) -> ref PIF
        db pool-operator @6.1: The PIF that management uses.
    get_system_status_capabilities(host ref host) -> string
        host read-only @4.1 sync: What a status report can hold, as XML.
    restart_agent(host ref host)
        host pool-operator: Restart its agent.
    shutdown_agent()
        host pool-operator @5.0 sync: End its agent.
    set_hostname_live(host ref host, hostname string)
        host pool-operator @4.1 sync: Give it another name in the network.
        ! HOST_NAME_INVALID
    compute_free_memory(host ref host) -> int
        pool read-only @5.0: Bytes that another VM could have.
    compute_memory_overhead(host ref host) -> int
        pool read-only @5.6: Bytes that Xen and dom0's tools need.
    sync_data(host ref host)
        host pool-admin @5.0 sync: Copy blobs and messages of the master to it.
    backup_rrds(host ref host, delay float)
        host pool-admin @5.0 sync: Send its measurements to the master after so many seconds.
    create_new_blob(host ref host, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    call_plugin(host ref host, plugin string, fn string, args map string string) -> string
        host pool-admin @5.0: Call a plugin on it.
    get_servertime(host ref host) -> datetime
        host read-only @5.0 sync: Its time, in UTC.
    get_server_localtime(host ref host) -> datetime
        host read-only @5.6fp1 sync: Its time, in its own zone.
    enable_external_auth(host ref host, config map string string, service_name string, auth_type string)
        host pool-admin @5.5 sync: Let it ask a directory who may log in.
    disable_external_auth(host ref host, config? map string string, force? bool)
        host pool-admin @5.5 sync: Let it ask no more.
    retrieve_wlb_evacuate_recommendations(self ref host) -> map ref VM set string
        pool read-only @5.5: Where the workload balancer would move its VMs.
    get_server_certificate(host ref host) -> string
        host read-only @5.5: Its certificate, as PEM.
    apply_edition(host ref host, edition string, force? bool)
        host pool-operator @5.6 sync: Give it an edition.
    refresh_pack_info(host ref host)
        host pool-operator @5.6 deprecated: Read again which packs it has.
    set_power_on_mode(self ref host, power_on_mode string, power_on_config map string string)
        db pool-operator @5.6fp1: Say how it is switched on from afar.
    set_cpu_features(host ref host, features string)
        host pool-operator @5.6 sync deprecated: Hide features of its CPUs.
    reset_cpu_features(host ref host)
        host pool-operator @5.6 sync deprecated: Hide none.
    enable_local_storage_caching(host ref host, sr ref SR)
        host pool-operator @5.6fp1 sync: Let it cache disks in an SR of its own.
    disable_local_storage_caching(host ref host)
        host pool-operator @5.6fp1 sync: Let it cache disks no more.
    migrate_receive(host ref host, network ref network, options map string string) -> map string string
        pool vm-power-admin @6.1: What VM.migrate_send needs to move a VM of the pool here.
    declare_dead(host ref host)
        pool pool-operator @6.2: Say that it is off: its VMs count as halted.
    enable_display(host ref host) -> host_display
        host pool-operator @6.5sp1: Use its own screen after the next boot.
    disable_display(host ref host) -> host_display
        host pool-operator @6.5sp1: Leave its screen to VMs after the next boot.
    set_servertime(self ref host, value datetime)
        host pool-operator @26.0.0: Set its time.
    get_ntp_synchronized(self ref host) -> bool
        host read-only @26.0.0: Whether its time is in step with its servers.
    list_timezones(self ref host) -> set string
        host read-only @26.0.0: Time zones it knows.
    set_timezone(self ref host, value string)
        host pool-operator @26.0.0: Set timezone.
    get_ntp_servers_status(self ref host) -> map string string
        host read-only @26.0.0: How its time servers do.
    set_ntp_custom_servers(self ref host, value set string)
        host pool-operator @26.0.0: Set ntp_custom_servers.
    set_ntp_mode(self ref host, value host_ntp_mode)
        host pool-operator @26.0.0: Set ntp_mode.
    set_max_cstate(self ref host, value string)
        host pool-operator @26.0.0: Set max_cstate.
    get_tracked_user_agents(self ref host) -> map string string
        host read-only @25.34.0: Clients that it has seen.
    set_ssh_auto_mode(self ref host, value bool)
        host pool-admin @25.27.0: Set ssh_auto_mode.
    set_console_idle_timeout(self ref host, value int)
        host pool-admin @25.21.0: Set console_idle_timeout.
    set_ssh_enabled_timeout(self ref host, value int)
        host pool-admin @25.21.0: Set ssh_enabled_timeout.
    disable_ssh(self ref host)
        host pool-admin @25.13.0: Close SSH.
    enable_ssh(self ref host)
        host pool-admin @25.13.0: Open SSH.
    emergency_clear_mandatory_guidance()
        host pool-admin @24.10.0: Forget what must be done to it after updates.
    apply_recommended_guidances(self ref host)
        host pool-operator @23.18.0 sync deprecated: Do what should be done to it after updates.
    set_https_only(self ref host, value bool)
        host pool-operator @22.27.0: Set https_only.
    rescan_drivers(self ref host)
        host pool-admin @25.2.0: Look again which drivers it has.
    apply_updates(self ref host, hash string) -> set set string
        host pool-operator @1.301.0: Bring it to the state of a repository.
    emergency_reenable_tls_verification()
        host pool-admin @1.298.0: Verify certificates again, on this host.
    emergency_disable_tls_verification()
        host pool-admin @1.290.0 sync: Verify certificates no more, on this host.
    set_numa_affinity_policy(self ref host, value host_numa_affinity_policy)
        host pool-admin @24.0.0: Set numa_affinity_policy.
    get_sched_gran(self ref host) -> host_sched_gran
        host pool-admin @1.271.0 sync: How CPUs are scheduled together.
    set_sched_gran(self ref host, value host_sched_gran)
        host pool-admin @1.271.0: Say how CPUs are scheduled together.
    set_uefi_certificates(host ref host, value string)
        host pool-admin @8.1 deprecated: Set uefi_certificates.
    set_multipathing(host ref host, value bool)
        host pool-operator @7.5: Set multipathing.
    set_iscsi_iqn(host ref host, value string)
        host pool-operator @7.5: Set iscsi_iqn.
    set_ssl_legacy(self ref host, value bool)
        host pool-operator @7.0 sync: Set ssl_legacy.
    reset_server_certificate(host ref host)
        host pool-admin @1.290.0 sync: Make it a new certificate of its own.
    emergency_reset_server_certificate()
        host pool-admin @8.2: The same, for this host, without the master.
    install_server_certificate(host ref host, certificate string, private_key string, certificate_chain? string)
        host pool-admin @8.2: Give it a certificate.
    refresh_server_certificate(host ref host)
        host pool-admin @1.307.0 sync: Make it a new certificate for use in the pool.
    external_auth_set_ldaps(host ref host, ldaps bool, force? bool)
        host pool-admin @26.16.0: Speak LDAPS with the directory, or LDAP.
    call_extension(host ref host, call string) -> string
        host pool-admin @7.1 sync: Call an extension of the API on it.
    has_extension(host ref host, name string) -> bool
        host pool-admin @7.1: Whether it has an extension.
    license_remove(host ref host)
        host pool-operator @6.5sp1: Take its licence.
    license_add(host ref host, contents string)
        host pool-operator @6.5sp1: Give it a licence.
        ! LICENSE_PROCESSING_ERROR
    """,
)
