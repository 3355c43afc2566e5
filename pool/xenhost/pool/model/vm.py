"""VM: vm."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM: Final[Class] = declare(
    "VM",
    "Vm.",
    writer="vm-admin",
    calls="create get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    run allowed_operations set vm_operations: What may be done to it now; advice only.
    run current_operations map string vm_operations: What is being done to it, by task.
    ins power_state vm_power_state = Halted: Power state.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    rw  user_version int: User version.
    rw  is_a_template bool: Is a template.
    ins suspend_VDI ref VDI = OpaqueRef:NULL: Suspend vdi.
    run resident_on ref host <> host.resident_VMs: Resident on.
    run scheduled_to_be_resident_on ref host: Scheduled to be resident on.
    rw  affinity ref host by vm-power-admin: Affinity.
    run memory_overhead int: Memory overhead.
    ins memory_target int = 0 deprecated: Memory target.
    ins memory_static_max int: Memory static max.
    ins memory_dynamic_max int: Memory dynamic max.
    ins memory_dynamic_min int: Memory dynamic min.
    ins memory_static_min int: Memory static min.
    rw  VCPUs_params map string string: Vcpus params.
    ins VCPUs_max int: Vcpus max.
    ins VCPUs_at_startup int: Vcpus at startup.
    rw  actions_after_shutdown on_normal_exit: Actions after shutdown.
    rw  actions_after_reboot on_normal_exit: Actions after reboot.
    ins actions_after_crash on_crash_behaviour: Actions after crash.
    run consoles set ref console <> console.VM: Consoles.
    run VIFs set ref VIF <> VIF.VM: Vifs.
    run VBDs set ref VBD <> VBD.VM: Vbds.
    run crash_dumps set ref crashdump <> crashdump.VM: Crash dumps.
    run VTPMs set ref VTPM <> VTPM.VM: Vtpms.
    rw  PV_bootloader string: Pv bootloader.
    rw  PV_kernel string: Pv kernel.
    rw  PV_ramdisk string: Pv ramdisk.
    rw  PV_args string: Pv args.
    rw  PV_bootloader_args string: Pv bootloader args.
    rw  PV_legacy_args string: Pv legacy args.
    ins HVM_boot_policy string deprecated: Hvm boot policy.
    rw  HVM_boot_params map string string: Hvm boot params.
    ins HVM_shadow_multiplier float = 1.0 @4.1: Hvm shadow multiplier.
    ins platform map string string: Platform.
    rw  PCI_bus string deprecated: Pci bus.
    ins other_config map string string: Keys of clients and of features that have no field.
    run domid int: Domid.
    run domarch string: Domarch.
    ins last_boot_CPU_flags map string string = {}: Last boot cpu flags.
    run is_control_domain bool: Is control domain.
    run metrics ref VM_metrics: Metrics.
    run guest_metrics ref VM_guest_metrics: Guest metrics.
    ins last_booted_record string = "" @4.1: Last booted record.
    rw  recommendations string: Recommendations.
    rw  xenstore_data map string string = {} @4.1: Xenstore data.
    ins ha_always_run bool = false @5.0 deprecated: Ha always run.
    ins ha_restart_priority string = "" @5.0: Ha restart priority.
    run is_a_snapshot bool @5.0: Is a snapshot.
    run snapshot_of ref VM <> VM.snapshots @5.0: Snapshot of.
    run snapshots set ref VM <> VM.snapshot_of @5.0: Snapshots.
    run snapshot_time datetime = "19700101T00:00:00Z" @5.0: Snapshot time.
    run transportable_snapshot_id string @5.0: Transportable snapshot id.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    ins blocked_operations map vm_operations string = {} @5.0: Blocked operations.
    run snapshot_info map string string @5.6: Snapshot info.
    run snapshot_metadata string @5.6: Snapshot metadata.
    run parent ref VM <> VM.children @5.6: Parent.
    run children set ref VM <> VM.parent @5.6: Children.
    run bios_strings map string string @5.6: Bios strings.
    ins protection_policy ref VMPP = OpaqueRef:NULL <> VMPP.VMs @5.6fp1 deprecated: Protection policy.
    ins is_snapshot_from_vmpp bool = false @5.6fp1 deprecated: Is snapshot from vmpp.
    ins appliance ref VM_appliance = OpaqueRef:NULL <> VM_appliance.VMs: Appliance.
    ins start_delay int = 0 @6.0: Start delay.
    ins shutdown_delay int = 0 @6.0: Shutdown delay.
    ins order int = 0 @6.0: Order.
    run VGPUs set ref VGPU <> VGPU.VM @6.0: Vgpus.
    run attached_PCIs set ref PCI <> PCI.attached_VMs @6.0: Attached pcis.
    rw  suspend_SR ref SR = OpaqueRef:NULL @6.0: Suspend sr.
    ins version int = 0 @6.0: Version.
    ins generation_id string = "0:0" @6.2: Generation id.
    rw  hardware_platform_version int = 0 @6.5sp1: Hardware platform version.
    run is_default_template bool @7.2: Is default template.
    rw  actions_after_softreboot on_softreboot_behavior = soft_reboot @23.1.0: Actions after softreboot.
    run VUSBs set ref VUSB <> VUSB.VM: Vusbs.
    ins snapshot_schedule ref VMSS = OpaqueRef:NULL <> VMSS.VMs @7.2: Snapshot schedule.
    ins is_vmss_snapshot bool = false @7.2: Is vmss snapshot.
    ins has_vendor_device bool = true @7.0: Has vendor device.
    run requires_reboot bool @7.1: Requires reboot.
    ins reference_label string = "" @7.1: Reference label.
    ins domain_type domain_type = unspecified @7.4: Domain type.
    ins NVRAM map string string = {} @8.0: Nvram.
    run pending_guidances set update_guidances @1.303.0: Pending guidances.
    run pending_guidances_recommended set update_guidances @24.10.0: Pending guidances recommended.
    run pending_guidances_full set update_guidances @24.10.0: Pending guidances full.
    run groups set ref VM_group <> VM_group.VMs @24.19.1: Groups.
    run secureboot_certificates_state vm_secureboot_certificates_state = ok @26.14.0: Secureboot certificates state.
    """,
    messages="""
    snapshot(vm ref VM, new_name string, ignore_vdis? set ref VDI) -> ref VM
        host vm-power-admin @5.0: Snapshot.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED
    snapshot_with_quiesce(vm ref VM, new_name string) -> ref VM
        host vm-power-admin @5.0 deprecated: Snapshot with quiesce.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED VM_SNAPSHOT_WITH_QUIESCE_FAILED
        VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT VM_SNAPSHOT_WITH_QUIESCE_PLUGIN_DEOS_NOT_RESPOND
        VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED
    clone(vm ref VM, new_name string) -> ref VM
        host vm-admin: Clone.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    copy(vm ref VM, new_name string, sr ref SR) -> ref VM
        pool via vm-admin: Copy.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    revert(snapshot ref VM)
        host vm-power-admin @5.6: Revert.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED SR_FULL VM_REVERT_FAILED
    checkpoint(vm ref VM, new_name string) -> ref VM
        host vm-power-admin @5.6: Checkpoint.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED VM_CHECKPOINT_SUSPEND_FAILED
        VM_CHECKPOINT_RESUME_FAILED
    provision(vm ref VM)
        host vm-admin: Provision.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    start(vm ref VM, start_paused bool, force bool)
        host vm-operator: Start.
        ! VM_BAD_POWER_STATE VM_HVM_REQUIRED VM_IS_TEMPLATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED
        BOOTLOADER_FAILED UNKNOWN_BOOTLOADER NO_HOSTS_AVAILABLE LICENCE_RESTRICTION
    start_on(vm ref VM, host ref host, start_paused bool, force bool)
        host vm-power-admin: Start on.
        ! VM_BAD_POWER_STATE VM_IS_TEMPLATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED BOOTLOADER_FAILED
        UNKNOWN_BOOTLOADER
    pause(vm ref VM)
        host vm-operator: Pause.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    unpause(vm ref VM)
        host vm-operator: Unpause.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    clean_shutdown(vm ref VM)
        host vm-operator: Clean shutdown.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    shutdown(vm ref VM)
        host vm-operator @6.2: Shutdown.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    clean_reboot(vm ref VM)
        host vm-operator: Clean reboot.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    hard_shutdown(vm ref VM)
        host vm-operator: Hard shutdown.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    power_state_reset(vm ref VM)
        pool pool-operator: Power state reset.
    hard_reboot(vm ref VM)
        host vm-operator: Hard reboot.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    suspend(vm ref VM)
        host vm-operator: Suspend.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    resume(vm ref VM, start_paused bool, force bool)
        host vm-operator: Resume.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    resume_on(vm ref VM, host ref host, start_paused bool, force bool)
        host vm-power-admin: Resume on.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    pool_migrate(vm ref VM, host ref host, options map string string)
        host vm-power-admin: Pool migrate.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS VM_IS_TEMPLATE OPERATION_NOT_ALLOWED VM_MIGRATE_FAILED
    set_VCPUs_number_live(self ref VM, nvcpu int)
        host vm-admin: Set vcpus number live.
        ! OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    add_to_VCPUs_params_live(self ref VM, key string, value string)
        host vm-admin stub NOT_IMPLEMENTED: Add to vcpus params live.
    set_ha_restart_priority(self ref VM, value string)
        pool pool-operator @5.0 sync: Set ha restart priority.
    set_ha_always_run(self ref VM, value bool)
        pool pool-operator @5.0 sync deprecated: Set ha always run.
    compute_memory_overhead(vm ref VM) -> int
        pool read-only @5.6: Compute memory overhead.
    set_memory_dynamic_max(self ref VM, value int)
        host vm-power-admin @5.6 sync: Set memory dynamic max.
    set_memory_dynamic_min(self ref VM, value int)
        host vm-power-admin @5.6 sync: Set memory dynamic min.
    set_memory_dynamic_range(self ref VM, min int, max int)
        host vm-power-admin @5.6: Set memory dynamic range.
    set_memory_static_max(self ref VM, value int)
        pool vm-power-admin @5.0 sync: Set memory static max.
        ! HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN
    set_memory_static_min(self ref VM, value int)
        pool vm-power-admin @5.6 sync: Set memory static min.
    set_memory_static_range(self ref VM, min int, max int)
        pool vm-power-admin @5.6: Set memory static range.
    set_memory_limits(self ref VM, static_min int, static_max int, dynamic_min int, dynamic_max int)
        host vm-power-admin @5.6: Set memory limits.
    set_memory_target_live(self ref VM, target int)
        host vm-power-admin deprecated: Set memory target live.
    wait_memory_target_live(self ref VM)
        host read-only @5.0 deprecated: Wait memory target live.
    get_cooperative(self ref VM) -> bool
        db read-only @5.6 deprecated: Get cooperative.
    set_HVM_shadow_multiplier(self ref VM, value float)
        pool vm-power-admin @5.6 sync: Set hvm shadow multiplier.
    set_shadow_multiplier_live(self ref VM, multiplier float)
        host vm-power-admin: Set shadow multiplier live.
    set_VCPUs_max(self ref VM, value int)
        db vm-admin @5.6 sync: Set vcpus max.
    set_VCPUs_at_startup(self ref VM, value int)
        db vm-admin @5.6 sync: Set vcpus at startup.
    send_sysrq(vm ref VM, key string)
        host pool-admin stub NOT_IMPLEMENTED: Send sysrq.
        ! VM_BAD_POWER_STATE
    send_trigger(vm ref VM, trigger string)
        host pool-admin stub NOT_IMPLEMENTED: Send trigger.
        ! VM_BAD_POWER_STATE
    maximise_memory(self ref VM, total int, approximate bool) -> int
        pool read-only @4.1: Maximise memory.
    migrate_send(vm ref VM, dest map string string, live bool, vdi_map map ref VDI ref SR, vif_map map ref VIF
        ref network, options map string string, vgpu_map? map ref VGPU ref GPU_group, vdi_format_map? map ref
        VDI string) -> ref VM
        host vm-power-admin @6.1: Migrate send.
        ! VM_BAD_POWER_STATE LICENCE_RESTRICTION
    assert_can_migrate(vm ref VM, dest map string string, live bool, vdi_map map ref VDI ref SR, vif_map map ref
        VIF ref network, options map string string, vgpu_map? map ref VGPU ref GPU_group)
        pool vm-power-admin @6.1: Assert can migrate.
        ! LICENCE_RESTRICTION
    get_boot_record(self ref VM) -> record VM
        db read-only sync deprecated: Get boot record.
    get_data_sources(self ref VM) -> set record data_source
        host read-only @5.0 sync: Get data sources.
    record_data_source(self ref VM, data_source string)
        host vm-admin @5.0 sync: Record data source.
    query_data_source(self ref VM, data_source string) -> float
        host read-only @5.0 sync: Query data source.
    forget_data_source_archives(self ref VM, data_source string)
        host vm-admin @5.0 sync: Forget data source archives.
    assert_operation_valid(self ref VM, op vm_operations)
        pool read-only: Assert operation valid.
    update_allowed_operations(self ref VM)
        pool pool-admin: Update allowed operations.
    get_allowed_VBD_devices(vm ref VM) -> set string
        db read-only sync: Get allowed vbd devices.
    get_allowed_VIF_devices(vm ref VM) -> set string
        db read-only sync: Get allowed vif devices.
    get_possible_hosts(vm ref VM) -> set ref host
        pool read-only: Get possible hosts.
    assert_can_boot_here(self ref VM, host ref host)
        pool read-only: Assert can boot here.
        ! HOST_NOT_ENOUGH_FREE_MEMORY VM_REQUIRES_SR VM_HOST_INCOMPATIBLE_VERSION
        VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION HOST_NOT_ENOUGH_PCPUS
        NETWORK_SRIOV_INSUFFICIENT_CAPACITY HOST_NOT_LIVE HOST_DISABLED HOST_CANNOT_ATTACH_NETWORK
        VM_HVM_REQUIRED VM_REQUIRES_GPU VM_REQUIRES_IOMMU VM_REQUIRES_NETWORK VM_REQUIRES_VGPU INVALID_VALUE
        MEMORY_CONSTRAINT_VIOLATION OPERATION_NOT_ALLOWED VALUE_NOT_SUPPORTED VM_INCOMPATIBLE_WITH_THIS_HOST
    create_new_blob(vm ref VM, name string, mime_type string, public? bool) -> ref blob
        db vm-power-admin @5.0: Make an empty blob that belongs to it.
    assert_agile(self ref VM)
        pool read-only @5.0: Assert agile.
    retrieve_wlb_recommendations(vm ref VM) -> map ref host set string
        pool read-only @5.5: Retrieve wlb recommendations.
    copy_bios_strings(vm ref VM, host ref host)
        db vm-admin @5.6: Copy bios strings.
    set_protection_policy(self ref VM, value ref VMPP)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set protection policy.
    set_start_delay(self ref VM, value int)
        db pool-operator @6.0: Set start delay.
    set_shutdown_delay(self ref VM, value int)
        db pool-operator @6.0: Set shutdown delay.
    set_order(self ref VM, value int)
        db pool-operator @6.0: Set order.
    set_suspend_VDI(self ref VM, value ref VDI)
        pool via pool-operator @6.0: Set suspend vdi.
    assert_can_be_recovered(self ref VM, session_to ref session)
        pool read-only @6.0: Assert can be recovered.
        ! VM_IS_PART_OF_AN_APPLIANCE VM_REQUIRES_SR
    get_SRs_required_for_recovery(self ref VM, session_to ref session) -> set ref SR
        pool read-only @6.5: Get srs required for recovery.
    recover(self ref VM, session_to ref session, force bool)
        pool read-only @6.0: Recover.
    import_convert(type string, username string, password string, sr ref SR, remote_config map string string)
        host vm-admin @6.1: Import convert.
    set_appliance(self ref VM, value ref VM_appliance)
        db pool-operator @6.0: Set appliance.
    query_services(self ref VM) -> map string string
        host pool-admin @6.1 stub NOT_IMPLEMENTED: Query services.
    call_plugin(vm ref VM, plugin string, fn string, args map string string) -> string
        host vm-operator @6.5sp1: Call plugin.
    set_actions_after_crash(self ref VM, value on_crash_behaviour)
        db vm-admin sync: Set actions after crash.
    set_HVM_boot_policy(self ref VM, value string)
        db vm-admin sync deprecated: Set hvm boot policy.
    set_platform(self ref VM, value map string string)
        db vm-admin sync: Set platform.
    add_to_platform(self ref VM, key string, value string)
        db vm-admin sync: Add to platform.
    remove_from_platform(self ref VM, key string)
        db vm-admin sync: Remove from platform.
    set_other_config(self ref VM, value map string string)
        db vm-admin sync: Set other config.
    add_to_other_config(self ref VM, key string, value string)
        db vm-admin sync keys pool-admin:hvm_serial,pci;vm-operator:folder,XenCenter.CustomFields.*: Add to other config.
    remove_from_other_config(self ref VM, key string)
        db vm-admin sync keys pool-admin:hvm_serial,pci;vm-operator:folder,XenCenter.CustomFields.*: Remove from other config.
    set_xenstore_data(self ref VM, value map string string)
        host vm-admin @4.1 sync: Set xenstore data.
    set_blocked_operations(self ref VM, value map vm_operations string)
        db vm-admin @5.0 sync: Set blocked operations.
    add_to_blocked_operations(self ref VM, key vm_operations, value string)
        db vm-admin @5.0 sync: Add to blocked operations.
    remove_from_blocked_operations(self ref VM, key vm_operations)
        db vm-admin @5.0 sync: Remove from blocked operations.
    destroy(self ref VM)
        pool vm-admin: Destroy.
    sysprep(self ref VM, unattend string, timeout float)
        host vm-admin @25.24.0: Sysprep.
    update_secureboot_certificates_on_boot(self ref VM, mark bool)
        host vm-admin @26.14.0: Update secureboot certificates on boot.
    get_secureboot_readiness(self ref VM) -> vm_secureboot_readiness
        host pool-admin @24.17.0: Get secureboot readiness.
    set_uefi_mode(self ref VM, mode vm_uefi_mode) -> string
        db pool-admin @24.17.0: Set uefi mode.
    restart_device_models(self ref VM)
        host vm-power-admin @23.30.0: Restart device models.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS VM_IS_TEMPLATE OPERATION_NOT_ALLOWED
    set_domain_type(self ref VM, value domain_type)
        db vm-admin @7.5 sync: Set domain type.
    import(url string, sr ref SR, full_restore bool, force bool) -> set ref VM
        host pool-operator @7.0: Import.
    set_has_vendor_device(self ref VM, value bool)
        db vm-admin @7.0: Set has vendor device.
    call_host_plugin(vm ref VM, plugin string, fn string, args map string string) -> string
        host vm-operator @25.22.0: Call host plugin.
    set_groups(self ref VM, value set ref VM_group)
        db vm-admin @24.19.1: Set groups.
        ! OPERATION_NOT_ALLOWED
    set_snapshot_schedule(self ref VM, value ref VMSS)
        db pool-operator @7.2 sync: Set snapshot schedule.
    set_bios_strings(self ref VM, value map string string)
        db vm-admin @7.3: Set bios strings.
        ! VM_BIOS_STRINGS_ALREADY_SET INVALID_VALUE
    set_memory(self ref VM, value int)
        db vm-power-admin @7.1: Set memory.
    remove_from_NVRAM(self ref VM, key string)
        db vm-admin @8.0 sync: Remove from nvram.
    add_to_NVRAM(self ref VM, key string, value string)
        db vm-admin @8.0 sync: Add to nvram.
    set_NVRAM(self ref VM, value map string string)
        db vm-admin @8.0: Set nvram.
    """,
)
