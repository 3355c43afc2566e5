"""pool: pool."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL: Final[Class] = declare(
    "pool",
    "Pool.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string: Its name, for people.
    rw  name_description string: Notes, for people.
    run master ref host: Master.
    rw  default_SR ref SR: Default sr.
    rw  suspend_image_SR ref SR: Suspend image sr.
    rw  crash_dump_SR ref SR: Crash dump sr.
    rw  other_config map string string keys vm-operator:folder,XenCenter.CustomFields.*,EMPTY_FOLDERS: Keys of
            clients and of features that have no field.
    run ha_enabled bool @5.0: Ha enabled.
    run ha_configuration map string string @5.0: Ha configuration.
    run ha_statefiles set string @5.0: Ha statefiles.
    run ha_host_failures_to_tolerate int @5.0: Ha host failures to tolerate.
    run ha_plan_exists_for int @5.0: Ha plan exists for.
    rw  ha_allow_overcommit bool = false @5.0: Ha allow overcommit.
    run ha_overcommitted bool @5.0: Ha overcommitted.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    rw  gui_config map string string = {} @5.0 by vm-operator: Gui config.
    run wlb_url string @5.5: Wlb url.
    run wlb_username string @5.5: Wlb username.
    run wlb_password ref secret hidden: Wlb password.
    rw  wlb_enabled bool = false @5.5: Wlb enabled.
    rw  wlb_verify_cert bool = false @5.5 deprecated: Wlb verify cert.
    run redo_log_enabled bool @5.6: Redo log enabled.
    run redo_log_vdi ref VDI @5.6: Redo log vdi.
    run vswitch_controller string @5.6 deprecated: Vswitch controller.
    run restrictions map string string @5.6: Restrictions.
    run metadata_VDIs set ref VDI <> VDI.metadata_of_pool @6.0: Metadata vdis.
    rw  health_check_config map string string = {} @7.0: Health check config.
    run ha_cluster_stack string @7.0: Ha cluster stack.
    run allowed_operations set pool_allowed_operations: What may be done to it now; advice only.
    run current_operations map string pool_allowed_operations: What is being done to it, by task.
    run guest_agent_config map string string @7.0: Guest agent config.
    run cpu_info map string string @7.0: Cpu info.
    rw  policy_no_vendor_device bool = false @7.0 deprecated: Policy no vendor device.
    rw  live_patching_disabled bool = false @7.1: Live patching disabled.
    run igmp_snooping_enabled bool @7.3: Igmp snooping enabled.
    ins uefi_certificates string = "" @8.1: Uefi certificates.
    ins custom_uefi_certificates string = "" @24.0.0: Custom uefi certificates.
    rw  is_psr_pending bool = false @8.2hf2: Is psr pending.
    run tls_verification_enabled bool @1.290.0: Tls verification enabled.
    run repositories set ref Repository @1.301.0: Repositories.
    run client_certificate_auth_enabled bool @1.318.0: Client certificate auth enabled.
    run client_certificate_auth_name string @1.318.0: Client certificate auth name.
    run repository_proxy_url string @21.3.0: Repository proxy url.
    run repository_proxy_username string @21.3.0: Repository proxy username.
    run repository_proxy_password ref secret @21.3.0: Repository proxy password.
    rw  migration_compression bool = false @22.33.0: Migration compression.
    rw  coordinator_bias bool = true @22.37.0: Coordinator bias.
    ins local_auth_max_threads int = 8 @23.27.0: Local auth max threads.
    ins ext_auth_max_threads int = 1 @23.27.0: Ext auth max threads.
    run ext_auth_cache_enabled bool = true @24.31.0: Ext auth cache enabled.
    run ext_auth_cache_size int = 50 @24.31.0: Ext auth cache size.
    run ext_auth_cache_expiry int = 300 @24.31.0: Ext auth cache expiry.
    run telemetry_uuid ref secret @23.9.0: Telemetry uuid.
    run telemetry_frequency telemetry_frequency = weekly @23.9.0: Telemetry frequency.
    run telemetry_next_collection datetime = "19700101T00:00:00Z" @23.9.0: Telemetry next collection.
    run last_update_sync datetime = "19700101T00:00:00Z" @23.18.0: Last update sync.
    run update_sync_frequency update_sync_frequency = weekly @23.18.0: Update sync frequency.
    run update_sync_day int @23.18.0: Update sync day.
    run update_sync_enabled bool @23.18.0: Update sync enabled.
    run recommendations map string string @24.19.1: Recommendations.
    rw  license_server map string string = {} @25.6.0: License server.
    rw  ha_reboot_vm_on_internal_shutdown bool = true @25.16.0: Ha reboot vm on internal shutdown.
    rw  limit_console_sessions bool = false @26.1.0: Limit console sessions.
    rw  vm_console_idle_timeout int = 0 @26.1.0: Vm console idle timeout.
    rw  auto_update_vm_secureboot_certificates bool = false @26.16.1: Auto update vm secureboot certificates.
    """,
    messages="""
    join(master_address string, master_username string, master_password string)
        host pool-operator: Join.
        ! JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS
    join_force(master_address string, master_username string, master_password string)
        host pool-operator: Join force.
    eject(host ref host)
        host pool-operator: Eject.
    emergency_transition_to_master()
        host pool-operator sync: Emergency transition to master.
    emergency_reset_master(master_address string)
        host pool-operator sync: Emergency reset master.
    recover_slaves() -> set ref host
        pool via pool-operator: Recover slaves.
    create_VLAN(device string, network ref network, VLAN int) -> set ref PIF
        pool via pool-operator: Create vlan.
        ! VLAN_TAG_INVALID
    create_VLAN_from_PIF(pif ref PIF, network ref network, VLAN int) -> set ref PIF
        pool via pool-operator: Create vlan from pif.
        ! VLAN_TAG_INVALID
    enable_ha(heartbeat_srs set ref SR, configuration map string string)
        pool via pool-operator @4.1: Enable ha.
    disable_ha()
        pool via pool-operator @4.1: Disable ha.
    sync_database()
        pool via pool-operator: Sync database.
    designate_new_master(host ref host)
        host pool-operator @4.1: Designate new master.
    ha_prevent_restarts_for(seconds int)
        pool pool-operator @5.0u1 sync: Ha prevent restarts for.
    ha_failover_plan_exists(n int) -> bool
        pool pool-operator @5.0 sync: Ha failover plan exists.
    ha_compute_max_host_failures_to_tolerate() -> int
        pool pool-operator @5.0 sync: Ha compute max host failures to tolerate.
    ha_compute_hypothetical_max_host_failures_to_tolerate(configuration map ref VM string) -> int
        pool read-only @5.0 sync: Ha compute hypothetical max host failures to tolerate.
    ha_compute_vm_failover_plan(failed_hosts set ref host, failed_vms set ref VM) -> map ref VM map string
        string
        pool pool-operator @5.0 sync: Ha compute vm failover plan.
    set_ha_host_failures_to_tolerate(self ref pool, value int)
        pool pool-operator @5.0: Set ha host failures to tolerate.
    create_new_blob(pool ref pool, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    enable_external_auth(pool ref pool, config map string string, service_name string, auth_type string)
        pool via pool-admin @5.5 sync: Enable external auth.
    disable_external_auth(pool ref pool, config? map string string)
        pool via pool-admin @5.5 sync: Disable external auth.
    detect_nonhomogeneous_external_auth(pool ref pool)
        pool pool-operator @5.5 sync: Detect nonhomogeneous external auth.
    initialize_wlb(wlb_url string, wlb_username string, wlb_password string, xenserver_username string,
        xenserver_password string)
        pool pool-operator @5.5: Initialize wlb.
    deconfigure_wlb()
        pool pool-operator @5.5: Deconfigure wlb.
    send_wlb_configuration(config map string string)
        pool pool-operator @5.5: Send wlb configuration.
    retrieve_wlb_configuration() -> map string string
        pool read-only @5.5: Retrieve wlb configuration.
    retrieve_wlb_recommendations() -> map ref VM set string
        pool read-only @5.5: Retrieve wlb recommendations.
    send_test_post(host string, port int, body string) -> string
        pool pool-admin @5.5: Send test post.
    certificate_install(name string, cert string)
        host via pool-operator @5.5 deprecated: Certificate install.
    certificate_uninstall(name string)
        host via pool-operator @5.5 deprecated: Certificate uninstall.
    certificate_list() -> set string
        host pool-operator @5.5 deprecated: Certificate list.
    crl_install(name string, cert string)
        host via pool-operator @5.5: Crl install.
    crl_uninstall(name string)
        host via pool-operator @5.5: Crl uninstall.
    crl_list() -> set string
        host pool-operator @5.5: Crl list.
    certificate_sync()
        host via pool-operator @5.5: Certificate sync.
    enable_redo_log(sr ref SR)
        host via pool-operator @5.6: Enable redo log.
    disable_redo_log()
        host via pool-operator @5.6: Disable redo log.
    set_vswitch_controller(address string)
        host via pool-operator @5.6 deprecated: Set vswitch controller.
    test_archive_target(self ref pool, config map string string) -> string
        host pool-operator @5.6fp1 sync stub MESSAGE_REMOVED: Test archive target.
    enable_local_storage_caching(self ref pool)
        pool via pool-operator @5.6fp1: Enable local storage caching.
    disable_local_storage_caching(self ref pool)
        pool via pool-operator @5.6fp1: Disable local storage caching.
    get_license_state(self ref pool) -> map string string
        pool read-only @6.2: Get license state.
    apply_edition(self ref pool, edition string)
        pool via pool-operator @6.2: Apply edition.
    sync_trusted_certificates_from(self ref pool, remote_pool string, remote_session ref session,
        remote_certificate string, ca bool) -> set ref Certificate
        pool via pool-operator @26.16.0: Sync trusted certificates from.
    uninstall_trusted_certificate(self ref pool, certificate ref Certificate)
        pool via pool-operator @26.13.0: Uninstall trusted certificate.
    install_trusted_certificate(self ref pool, ca bool, cert string, purpose set certificate_purpose)
        pool via pool-operator @26.13.0: Install trusted certificate.
    set_ssh_auto_mode(self ref pool, value bool)
        pool via pool-admin @25.27.0: Set ssh auto mode.
    set_console_idle_timeout(self ref pool, value int)
        pool via pool-admin @25.21.0: Set console idle timeout.
    set_ssh_enabled_timeout(self ref pool, value int)
        pool via pool-admin @25.21.0: Set ssh enabled timeout.
    disable_ssh(self ref pool)
        pool via pool-admin @25.13.0: Disable ssh.
    enable_ssh(self ref pool)
        pool via pool-admin @25.13.0: Enable ssh.
    get_guest_secureboot_readiness(self ref pool) -> pool_guest_secureboot_readiness
        pool via pool-operator @24.17.0: Get guest secureboot readiness.
    set_ext_auth_cache_expiry(self ref pool, value int)
        pool via pool-operator @24.31.0 sync: Set ext auth cache expiry.
    set_ext_auth_cache_size(self ref pool, value int)
        pool via pool-operator @24.31.0: Set ext auth cache size.
    set_ext_auth_cache_enabled(self ref pool, value bool)
        pool via pool-operator @24.31.0: Set ext auth cache enabled.
    set_ext_auth_max_threads(self ref pool, value int)
        pool via pool-operator @23.27.0: Set ext auth max threads.
    set_local_auth_max_threads(self ref pool, value int)
        pool via pool-operator @23.27.0 sync: Set local auth max threads.
    set_update_sync_enabled(self ref pool, value bool)
        pool via pool-operator @23.18.0 sync: Set update sync enabled.
    configure_update_sync(self ref pool, update_sync_frequency update_sync_frequency, update_sync_day int)
        pool via pool-operator @23.18.0: Configure update sync.
    reset_telemetry_uuid(self ref pool)
        pool via pool-admin @23.9.0: Reset telemetry uuid.
    set_telemetry_next_collection(self ref pool, value datetime)
        pool via pool-admin @23.9.0: Set telemetry next collection.
    set_https_only(self ref pool, value bool)
        pool via pool-operator @22.27.0: Set https only.
    set_custom_uefi_certificates(self ref pool, value string)
        pool via pool-admin @24.0.0: Set custom uefi certificates.
    set_uefi_certificates(self ref pool, value string)
        pool via pool-admin @22.16.0 deprecated: Set uefi certificates.
    disable_repository_proxy(self ref pool)
        pool via pool-operator @21.4.0: Disable repository proxy.
    configure_repository_proxy(self ref pool, url string, username string, password string)
        pool via pool-operator @21.3.0: Configure repository proxy.
    disable_client_certificate_auth(self ref pool)
        pool via pool-operator @1.318.0: Disable client certificate auth.
    enable_client_certificate_auth(self ref pool, name string)
        pool via pool-operator @1.318.0: Enable client certificate auth.
    check_update_readiness(self ref pool, requires_reboot bool) -> set set string
        pool via pool-operator @1.304.0: Check update readiness.
    sync_updates(self ref pool, force bool, token? string, token_id? string, username? string, password? string)
        -> string
        pool via pool-operator @1.329.0: Sync updates.
    remove_repository(self ref pool, value ref Repository)
        pool via pool-operator @1.301.0: Remove repository.
    add_repository(self ref pool, value ref Repository)
        pool via pool-operator @1.301.0: Add repository.
    set_repositories(self ref pool, value set ref Repository)
        pool via pool-operator @1.301.0: Set repositories.
    rotate_secret()
        pool via pool-admin @8.2hf2: Rotate secret.
        ! INTERNAL_ERROR HOST_IS_SLAVE CANNOT_CONTACT_HOST HA_IS_ENABLED NOT_SUPPORTED_DURING_UPGRADE
    remove_from_guest_agent_config(self ref pool, key string)
        pool via pool-admin @7.0: Remove from guest agent config.
    add_to_guest_agent_config(self ref pool, key string, value string)
        pool via pool-admin @7.0: Add to guest agent config.
    has_extension(self ref pool, name string) -> bool
        pool via pool-admin @7.0: Has extension.
    set_igmp_snooping_enabled(self ref pool, value bool)
        pool via pool-operator @7.3: Set igmp snooping enabled.
    disable_ssl_legacy(self ref pool)
        pool via pool-operator @7.0 deprecated: Disable ssl legacy.
    enable_ssl_legacy(self ref pool)
        pool via pool-operator @7.0 deprecated: Enable ssl legacy.
    enable_tls_verification()
        pool via pool-admin @1.290.0: Enable tls verification.
    uninstall_ca_certificate(name string, force? bool)
        pool via pool-operator @1.290.0 deprecated: Uninstall ca certificate.
    install_ca_certificate(name string, cert string)
        pool via pool-operator @1.290.0 deprecated: Install ca certificate.
    external_auth_set_ldaps(pool ref pool, ldaps bool, force? bool)
        pool via pool-admin @26.16.0 sync: External auth set ldaps.
    management_reconfigure(network ref network)
        pool via pool-operator @7.3: Management reconfigure.
        ! HA_IS_ENABLED PIF_NOT_PRESENT CANNOT_PLUG_BOND_SLAVE PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE
        PIF_HAS_NO_NETWORK_CONFIGURATION PIF_HAS_NO_V6_NETWORK_CONFIGURATION
    """,
)
