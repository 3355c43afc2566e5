"""The enums of the API: the name of each, and its members."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_TEXT: Final = """
after_apply_guidance: restartHVM restartPV restartHost restartXAPI
allocation_algorithm: breadth_first depth_first
bond_mode: balance-slb active-backup lacp
certificate_purpose: licensing ldaps
certificate_type: ca host host_internal pinned
cls: VM Host SR Pool VMPP Certificate PVS_proxy VMSS VDI
cluster_host_operation: destroy disable enable
cluster_operation: add destroy disable enable remove
console_protocol: vt100 rfb rdp
domain_type: hvm pv pv_in_pvh pvh unspecified
event_operation: add del mod
host_allowed_operations: provision evacuate shutdown reboot power_on vm_start vm_resume vm_migrate apply_updates
    enable
host_display: enabled disable_on_reboot disabled enable_on_reboot
host_ntp_mode: DHCP Custom Factory Disabled
host_numa_affinity_policy: any best_effort default_policy
host_sched_gran: core cpu socket
image_format_type: raw vhd qcow2
ip_configuration_mode: None DHCP Static
ipv6_configuration_mode: None DHCP Static Autoconf
latest_synced_updates_applied_state: no unknown yes
livepatch_status: ok ok_livepatch_complete ok_livepatch_incomplete
network_default_locking_mode: unlocked disabled
network_operations: attaching
network_purpose: insecure_nbd nbd
on_boot: reset persist
on_crash_behaviour: destroy coredump_and_destroy restart coredump_and_restart preserve rename_restart
on_normal_exit: destroy restart
on_softreboot_behavior: destroy preserve restart soft_reboot
origin: bundle remote remote_pool
pci_dom0_access: disable_on_reboot disabled enable_on_reboot enabled
persistence_backend: xapi
pif_igmp_status: disabled enabled unknown
placement_policy: anti_affinity normal
pool_allowed_operations: apply_updates cert_refresh cluster_create configure_repositories copy_primary_host_certs
    designate_new_master eject exchange_ca_certificates_on_join exchange_certificates_on_join get_updates ha_disable
    ha_enable sync_bundle sync_updates tls_verification_enable exchange_crls_on_join
pool_guest_secureboot_readiness: not_ready ready ready_no_dbx
primary_address_type: IPv4 IPv6
pvs_proxy_status: caching incompatible_protocol_version incompatible_write_cache_mode initialised stopped
sdn_controller_protocol: pssl ssl
sr_health: healthy recovering unavailable unreachable
sriov_configuration_mode: manual modprobe sysfs unknown
storage_operations: scan destroy forget plug unplug update vdi_create vdi_introduce vdi_destroy vdi_resize vdi_clone
    vdi_snapshot pbd_create pbd_destroy vdi_data_destroy vdi_disable_cbt vdi_enable_cbt vdi_list_changed_blocks
    vdi_mirror vdi_set_on_boot vdi_blocked vdi_copy vdi_force_unlock vdi_forget vdi_generate_config vdi_resize_online
    vdi_update vdi_revert
task_allowed_operations: cancel destroy
task_status_type: pending success failure cancelling cancelled
telemetry_frequency: daily monthly weekly
tristate_type: no unspecified yes
tunnel_protocol: gre vxlan
update_after_apply_guidance: restartHost restartHVM restartPV restartXAPI
update_guidances: reboot_host reboot_host_on_kernel_livepatch_failure reboot_host_on_livepatch_failure
    reboot_host_on_xen_livepatch_failure restart_device_model restart_toolstack restart_vm
update_sync_frequency: daily weekly
vbd_mode: RO RW
vbd_operations: attach eject insert plug unplug unplug_force pause unpause
vbd_type: CD Disk Floppy
vdi_operations: scan clone copy resize resize_online snapshot destroy forget update force_unlock generate_config
    blocked data_destroy disable_cbt enable_cbt list_changed_blocks mirror set_on_boot revert_to revert_from
vdi_type: system user ephemeral suspend crashdump ha_statefile metadata redo_log cbt_metadata pvs_cache rrd
vgpu_type_implementation: gvt_g mxgpu nvidia nvidia_sriov passthrough
vif_ipv4_configuration_mode: None Static DHCP
vif_ipv6_configuration_mode: None Static Autoconf
vif_locking_mode: network_default locked unlocked disabled
vif_operations: attach plug unplug
vm_appliance_operation: start clean_shutdown hard_shutdown shutdown
vm_operations: snapshot clone copy create_template revert checkpoint snapshot_with_quiesce provision start start_on
    pause unpause clean_shutdown clean_reboot hard_shutdown power_state_reset hard_reboot suspend csvm resume
    resume_on pool_migrate migrate_send get_boot_record send_sysrq send_trigger query_services shutdown call_plugin
    changing_memory_live awaiting_memory_live changing_dynamic_range changing_static_range changing_memory_limits
    changing_shadow_memory changing_shadow_memory_live changing_VCPUs changing_VCPUs_live assert_operation_valid
    data_source_op update_allowed_operations make_into_template import export metadata_export reverting destroy
    changing_NVRAM create_vtpm sysprep
vm_power_state: Halted Paused Running Suspended
vm_secureboot_certificates_state: ok update_available update_on_boot
vm_secureboot_readiness: certs_incomplete disabled first_boot not_supported ready ready_no_dbx setup_mode
vm_uefi_mode: setup user
vmpp_archive_frequency: never always_after_backup daily weekly
vmpp_archive_target_type: none cifs nfs
vmpp_backup_frequency: hourly daily weekly
vmpp_backup_type: snapshot checkpoint
vmss_frequency: daily hourly weekly
vmss_type: checkpoint snapshot snapshot_with_quiesce
vtpm_operations: destroy
vusb_operations: attach plug unplug
"""


def _read(text: str) -> Mapping[str, frozenset[str]]:
    """A line begins with the name of an enum, or goes on with its members."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.strip().splitlines():
        members = line
        if not line.startswith(" "):
            name, _, members = line.partition(":")
        found.setdefault(name, []).extend(members.split())
    return MappingProxyType({name: frozenset(members) for name, members in found.items()})


ENUMS: Final = _read(_TEXT)
