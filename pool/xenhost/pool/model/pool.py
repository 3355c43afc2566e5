"""pool: all hosts together, and what holds for all of them."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL: Final[Class] = declare(
    "pool",
    "All hosts together, and what holds for all of them.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string: Its name, for people.
    rw  name_description string: Notes, for people.
    run master ref host: The host that runs the pool master.
    rw  default_SR ref SR: Where disks go if nobody says where.
    rw  suspend_image_SR ref SR: Where VMs are suspended to, if they do not say.
    rw  crash_dump_SR ref SR: Where crash dumps go.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*,EMPTY_FOLDERS: Keys of
            clients and of features that have no field.
    run ha_enabled bool @5.0: VMs are restarted when their host is lost.
    run ha_configuration map string string @5.0: Settings of that.
    run ha_statefiles set string @5.0: Disks that hosts use to see each other.
    run ha_host_failures_to_tolerate int @5.0: How many hosts may be lost before VMs stay down.
    run ha_plan_exists_for int @5.0: For how many lost hosts there is a plan.
    rw  ha_allow_overcommit bool = false @5.0: More VMs may be protected than the plan holds.
    run ha_overcommitted bool @5.0: More VMs are protected than the plan holds.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    rw  gui_config map string string = {} @5.0 by vm-operator: Settings of graphical clients.
    run wlb_url string @5.5: Where the workload balancer is.
    run wlb_username string @5.5: The name to log in there.
    run wlb_password ref secret hidden: The password to log in there.
    rw  wlb_enabled bool = false @5.5: It is asked where VMs should run.
    rw  wlb_verify_cert bool = false @5.5 deprecated: Its certificate is verified.
    run redo_log_enabled bool @5.6: Changes of the database go to a shared disk.
    run redo_log_vdi ref VDI @5.6: That disk.
    run vswitch_controller string @5.6 deprecated: The address of the controller of virtual switches.
    run restrictions map string string @5.6: What its edition leaves out.
    run metadata_VDIs set ref VDI <> VDI.metadata_of_pool @6.0: Disks that hold databases of this pool.
    rw  health_check_config map string string = {} @7.0: Settings of health reports.
    run ha_cluster_stack string @7.0: What hosts use to see each other.
    run allowed_operations set pool_allowed_operations: What may be done to it now; advice only.
    run current_operations map string pool_allowed_operations: What is being done to it, by task.
    run guest_agent_config map string string @7.0: Settings of the agents in guests.
    run cpu_info map string string @7.0: What the CPUs of all hosts have in common.
    rw  policy_no_vendor_device bool = false @7.0 deprecated: VMs are made without the device that brings drivers by
            Windows Update.
    rw  live_patching_disabled bool = false @7.1: Updates are not applied to what runs.
    run igmp_snooping_enabled bool @7.3: Switches follow IGMP.
    ins uefi_certificates string = "" @8.1: Secure-boot certificates that guests get.
    ins custom_uefi_certificates string = "" @24.0.0: Secure-boot certificates that the operator has set.
    rw  is_psr_pending bool = false @8.2hf2: The secret of the pool is being changed.
    run tls_verification_enabled bool @1.290.0: Hosts verify each other's certificates.
    run repositories set ref Repository @1.301.0: Where updates come from.
    run client_certificate_auth_enabled bool @1.318.0: Clients may log in by certificate.
    run client_certificate_auth_name string @1.318.0: The name that such a certificate must have.
    run repository_proxy_url string @21.3.0: The proxy on the way to repositories.
    run repository_proxy_username string @21.3.0: The name to log in at the proxy.
    run repository_proxy_password ref secret @21.3.0: The password to log in at the proxy.
    rw  migration_compression bool = false @22.33.0: VMs are compressed on their way to another host, if nobody says
            otherwise.
    rw  coordinator_bias bool = true @22.37.0: VMs rather run on other hosts than the master.
    ins local_auth_max_threads int = 8 @23.27.0: How many local log-ins are checked at once.
    ins ext_auth_max_threads int = 1 @23.27.0: How many log-ins are asked of the directory at once.
    run ext_auth_cache_enabled bool = true @24.31.0: Answers of the directory are kept.
    run ext_auth_cache_size int = 50 @24.31.0: How many of them.
    run ext_auth_cache_expiry int = 300 @24.31.0: For how many seconds.
    run telemetry_uuid ref secret @23.9.0: The name of the pool in usage reports.
    run telemetry_frequency telemetry_frequency = weekly @23.9.0: How often usage is reported.
    run telemetry_next_collection datetime = "19700101T00:00:00Z" @23.9.0: When usage is reported next.
    run last_update_sync datetime = "19700101T00:00:00Z" @23.18.0: When updates were last fetched.
    run update_sync_frequency update_sync_frequency = weekly @23.18.0: How often updates are fetched.
    run update_sync_day int @23.18.0: On which day.
    run update_sync_enabled bool @23.18.0: Updates are fetched by themselves.
    run recommendations map string string @24.19.1: Limits that clients should keep to.
    rw  license_server map string string = {} @25.6.0: Where licences come from.
    rw  ha_reboot_vm_on_internal_shutdown bool = true @25.16.0: A protected VM that shuts itself down is started
            again.
    rw  limit_console_sessions bool = false @26.1.0: A console has one viewer.
    rw  vm_console_idle_timeout int = 0 @26.1.0: Seconds after which an idle console is closed; 0 is never.
    rw  auto_update_vm_secureboot_certificates bool = false @26.16.1: VMs get new secure-boot certificates by
            themselves.
    """,
    messages="""
    join(master_address string, master_username string, master_password string)
        host pool-operator: Make this host a member of another pool.
        ! JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS
    join_force(master_address string, master_username string, master_password string)
        host pool-operator: The same, though some checks fail.
    eject(host ref host)
        host pool-operator: Let a host leave the pool; it becomes one of its own.
    emergency_transition_to_master()
        host pool-operator sync: Make this member the master, when the old one is lost.
    emergency_reset_master(master_address string)
        host pool-operator sync: Tell this member another address of the master.
    recover_slaves() -> set ref host
        pool via pool-operator: Tell all members that this host is the master.
    create_VLAN(device string, network ref network, VLAN int) -> set ref PIF
        pool via pool-operator: Make a VLAN on one device of all hosts.
        ! VLAN_TAG_INVALID
    create_VLAN_from_PIF(pif ref PIF, network ref network, VLAN int) -> set ref PIF
        pool via pool-operator: Make a VLAN on the network of a PIF, on all hosts.
        ! VLAN_TAG_INVALID
    enable_ha(heartbeat_srs set ref SR, configuration map string string)
        pool via pool-operator @4.1: Have VMs restarted when their host is lost.
    disable_ha()
        pool via pool-operator @4.1: Have them restarted no more.
    sync_database()
        pool via pool-operator: Write the database everywhere it is kept.
    designate_new_master(host ref host)
        host pool-operator @4.1: Give the mastership to another host.
    ha_prevent_restarts_for(seconds int)
        pool pool-operator @5.0u1 sync: Restart nothing for so many seconds.
    ha_failover_plan_exists(n int) -> bool
        pool pool-operator @5.0 sync: Whether all protected VMs run again when so many hosts are lost.
    ha_compute_max_host_failures_to_tolerate() -> int
        pool pool-operator @5.0 sync: How many hosts may be lost.
    ha_compute_hypothetical_max_host_failures_to_tolerate(configuration map ref VM string) -> int
        pool read-only @5.0 sync: The same, for other priorities of VMs.
    ha_compute_vm_failover_plan(failed_hosts set ref host, failed_vms set ref VM) -> map ref VM map string
        string
        pool pool-operator @5.0 sync: Where VMs would go if these hosts were lost.
    set_ha_host_failures_to_tolerate(self ref pool, value int)
        pool pool-operator @5.0: Say how many hosts may be lost.
    create_new_blob(pool ref pool, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    enable_external_auth(pool ref pool, config map string string, service_name string, auth_type string)
        pool via pool-admin @5.5 sync: Ask a directory who may log in, on all hosts.
    disable_external_auth(pool ref pool, config? map string string)
        pool via pool-admin @5.5 sync: Ask the directory no more.
    detect_nonhomogeneous_external_auth(pool ref pool)
        pool pool-operator @5.5 sync: Look whether all hosts ask the same directory.
    initialize_wlb(wlb_url string, wlb_username string, wlb_password string, xenserver_username string,
        xenserver_password string)
        pool pool-operator @5.5: Connect the pool to a workload balancer.
    deconfigure_wlb()
        pool pool-operator @5.5: End that.
    send_wlb_configuration(config map string string)
        pool pool-operator @5.5: Give it settings.
    retrieve_wlb_configuration() -> map string string
        pool read-only @5.5: Get its settings.
    retrieve_wlb_recommendations() -> map ref VM set string
        pool read-only @5.5: What it would move where.
    send_test_post(host string, port int, body string) -> string
        pool pool-admin @5.5: Send an HTTPS request from the master, for debugging.
    certificate_install(name string, cert string)
        host via pool-operator @5.5 deprecated: Install a CA certificate on all hosts.
    certificate_uninstall(name string)
        host via pool-operator @5.5 deprecated: Remove a CA certificate from all hosts.
    certificate_list() -> set string
        host pool-operator @5.5 deprecated: The names of installed CA certificates.
    crl_install(name string, cert string)
        host via pool-operator @5.5: Install a list of revoked certificates on all hosts.
    crl_uninstall(name string)
        host via pool-operator @5.5: Remove such a list from all hosts.
    crl_list() -> set string
        host pool-operator @5.5: The names of installed lists.
    certificate_sync()
        host via pool-operator @5.5: Bring all hosts to the master's certificates and lists.
    enable_redo_log(sr ref SR)
        host via pool-operator @5.6: Write changes of the database to a disk in an SR.
    disable_redo_log()
        host via pool-operator @5.6: Write them there no more.
    set_vswitch_controller(address string)
        host via pool-operator @5.6 deprecated: Say where the controller of virtual switches is.
    test_archive_target(self ref pool, config map string string) -> string
        host pool-operator @5.6fp1 sync stub MESSAGE_REMOVED: Try a place for archives.
    enable_local_storage_caching(self ref pool)
        pool via pool-operator @5.6fp1: Let all hosts cache disks locally.
    disable_local_storage_caching(self ref pool)
        pool via pool-operator @5.6fp1: Let no host do so.
    get_license_state(self ref pool) -> map string string
        pool read-only @6.2: The least edition and the earliest expiry.
    apply_edition(self ref pool, edition string)
        pool via pool-operator @6.2: Give all hosts an edition.
    sync_trusted_certificates_from(self ref pool, remote_pool string, remote_session ref session,
        remote_certificate string, ca bool) -> set ref Certificate
        pool via pool-operator @26.16.0: Take the trusted certificates of another pool.
    uninstall_trusted_certificate(self ref pool, certificate ref Certificate)
        pool via pool-operator @26.13.0: Trust a certificate no more.
    install_trusted_certificate(self ref pool, ca bool, cert string, purpose set certificate_purpose)
        pool via pool-operator @26.13.0: Trust a certificate, for one purpose.
    set_ssh_auto_mode(self ref pool, value bool)
        pool via pool-admin @25.27.0: Let SSH be closed while the API answers, on all hosts.
    set_console_idle_timeout(self ref pool, value int)
        pool via pool-admin @25.21.0: After how many seconds an idle console ends, on all hosts.
    set_ssh_enabled_timeout(self ref pool, value int)
        pool via pool-admin @25.21.0: After how many seconds SSH closes again, on all hosts.
    disable_ssh(self ref pool)
        pool via pool-admin @25.13.0: Close SSH on all hosts.
    enable_ssh(self ref pool)
        pool via pool-admin @25.13.0: Open SSH on all hosts.
    get_guest_secureboot_readiness(self ref pool) -> pool_guest_secureboot_readiness
        pool via pool-operator @24.17.0: Whether guests can boot securely.
    set_ext_auth_cache_expiry(self ref pool, value int)
        pool via pool-operator @24.31.0 sync: Set ext_auth_cache_expiry.
    set_ext_auth_cache_size(self ref pool, value int)
        pool via pool-operator @24.31.0: Set ext_auth_cache_size.
    set_ext_auth_cache_enabled(self ref pool, value bool)
        pool via pool-operator @24.31.0: Set ext_auth_cache_enabled.
    set_ext_auth_max_threads(self ref pool, value int)
        pool via pool-operator @23.27.0: Set ext_auth_max_threads.
    set_local_auth_max_threads(self ref pool, value int)
        pool via pool-operator @23.27.0 sync: Set local_auth_max_threads.
    set_update_sync_enabled(self ref pool, value bool)
        pool via pool-operator @23.18.0 sync: Set update_sync_enabled.
    configure_update_sync(self ref pool, update_sync_frequency update_sync_frequency, update_sync_day int)
        pool via pool-operator @23.18.0: Say how often and when updates are fetched.
    reset_telemetry_uuid(self ref pool)
        pool via pool-admin @23.9.0: Take another name in usage reports.
    set_telemetry_next_collection(self ref pool, value datetime)
        pool via pool-admin @23.9.0: Set telemetry_next_collection.
    set_https_only(self ref pool, value bool)
        pool via pool-operator @22.27.0: Close port 80 on all hosts, or open it.
    set_custom_uefi_certificates(self ref pool, value string)
        pool via pool-admin @24.0.0: Set custom_uefi_certificates.
    set_uefi_certificates(self ref pool, value string)
        pool via pool-admin @22.16.0 deprecated: Set uefi_certificates.
    disable_repository_proxy(self ref pool)
        pool via pool-operator @21.4.0: Use no proxy on the way to repositories.
    configure_repository_proxy(self ref pool, url string, username string, password string)
        pool via pool-operator @21.3.0: Use a proxy on the way to repositories.
    disable_client_certificate_auth(self ref pool)
        pool via pool-operator @1.318.0: Let clients no more log in by certificate.
    enable_client_certificate_auth(self ref pool, name string)
        pool via pool-operator @1.318.0: Let clients log in by certificate.
    check_update_readiness(self ref pool, requires_reboot bool) -> set set string
        pool via pool-operator @1.304.0: What keeps hosts from being updated.
    sync_updates(self ref pool, force bool, token? string, token_id? string, username? string, password? string)
        -> string
        pool via pool-operator @1.329.0: Fetch updates from the repositories.
    remove_repository(self ref pool, value ref Repository)
        pool via pool-operator @1.301.0: Take updates from it no more.
    add_repository(self ref pool, value ref Repository)
        pool via pool-operator @1.301.0: Take updates from it, too.
    set_repositories(self ref pool, value set ref Repository)
        pool via pool-operator @1.301.0: Set repositories.
    rotate_secret()
        pool via pool-admin @8.2hf2: Change the secret that members share.
        ! INTERNAL_ERROR HOST_IS_SLAVE CANNOT_CONTACT_HOST HA_IS_ENABLED NOT_SUPPORTED_DURING_UPGRADE
    remove_from_guest_agent_config(self ref pool, key string)
        pool via pool-admin @7.0: Remove a key from guest_agent_config.
    add_to_guest_agent_config(self ref pool, key string, value string)
        pool via pool-admin @7.0: Add a key to guest_agent_config.
    has_extension(self ref pool, name string) -> bool
        pool via pool-admin @7.0: Whether all hosts have an extension.
    set_igmp_snooping_enabled(self ref pool, value bool)
        pool via pool-operator @7.3: Set igmp_snooping_enabled.
    disable_ssl_legacy(self ref pool)
        pool via pool-operator @7.0 deprecated: Refuse old TLS on all hosts.
    enable_ssl_legacy(self ref pool)
        pool via pool-operator @7.0 deprecated: Allow old TLS on all hosts.
    enable_tls_verification()
        pool via pool-admin @1.290.0: Verify certificates between hosts.
    uninstall_ca_certificate(name string, force? bool)
        pool via pool-operator @1.290.0 deprecated: Remove a CA certificate from all hosts.
    install_ca_certificate(name string, cert string)
        pool via pool-operator @1.290.0 deprecated: Install a CA certificate on all hosts.
    external_auth_set_ldaps(pool ref pool, ldaps bool, force? bool)
        pool via pool-admin @26.16.0 sync: Speak LDAPS with the directory, or LDAP.
    management_reconfigure(network ref network)
        pool via pool-operator @7.3: Move management to another network, on all hosts.
        ! HA_IS_ENABLED PIF_NOT_PRESENT CANNOT_PLUG_BOND_SLAVE PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE
        PIF_HAS_NO_NETWORK_CONFIGURATION PIF_HAS_NO_V6_NETWORK_CONFIGURATION
    """,
)
