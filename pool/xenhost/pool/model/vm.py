"""VM: A virtual machine, a template of one, or a snapshot of one."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM: Final[Class] = declare(
    "VM",
    "A virtual machine, a template of one, or a snapshot of one.",
    writer="vm-admin",
    calls="create get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    run allowed_operations set vm_operations: What may be done to it now; advice only.
    run current_operations map string vm_operations: What is being done to it, by task.
    ins power_state vm_power_state = Halted: Whether it runs.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    rw  user_version int: A number for people.
    rw  is_a_template bool: It is a template: it never runs, others are made of it.
    ins suspend_VDI ref VDI = OpaqueRef:NULL: Where its memory is while it is suspended.
    run resident_on ref host <> host.resident_VMs: The host it runs on.
    run scheduled_to_be_resident_on ref host: The host where memory is held for it while it comes.
    rw  affinity ref host by vm-power-admin: The host where it rather runs.
    run memory_overhead int: Bytes that it needs beside its memory.
    ins memory_target int = 0 deprecated: Bytes that its balloon should leave it.
    ins memory_static_max int: The most memory it can ever have, in bytes; for the next start.
    ins memory_dynamic_max int: The most memory its balloon leaves it, in bytes.
    ins memory_dynamic_min int: The least memory its balloon leaves it, in bytes.
    ins memory_static_min int: The least memory it can boot with, in bytes.
    rw  VCPUs_params map string string: Weight, cap and affinity of its virtual CPUs.
    ins VCPUs_max int: How many virtual CPUs it can have.
    ins VCPUs_at_startup int: How many it starts with.
    rw  actions_after_shutdown on_normal_exit: What follows when it shuts itself down.
    rw  actions_after_reboot on_normal_exit: What follows when it reboots itself.
    ins actions_after_crash on_crash_behaviour: What follows when it crashes.
    run consoles set ref console <> console.VM: Its consoles.
    run VIFs set ref VIF <> VIF.VM: Its network interfaces.
    run VBDs set ref VBD <> VBD.VM: Its disk drives.
    run crash_dumps set ref crashdump <> crashdump.VM: Its crash dumps.
    run VTPMs set ref VTPM <> VTPM.VM: Its TPMs.
    rw  PV_bootloader string: What finds its kernel on its disk; PV only.
    rw  PV_kernel string: Its kernel, if not on its disk; PV only.
    rw  PV_ramdisk string: Its initial RAM disk; PV only.
    rw  PV_args string: Its kernel's command line; PV only.
    rw  PV_bootloader_args string: Arguments of the bootloader; PV only.
    rw  PV_legacy_args string: Arguments for guests of the first releases; PV only.
    ins HVM_boot_policy string deprecated: How it boots with firmware; empty for a PV guest.
    rw  HVM_boot_params map string string: In which order it tries devices, and which firmware.
    ins HVM_shadow_multiplier float = 1.0 @4.1: How much more memory for page tables than usual.
    ins platform map string string: Settings of its virtual hardware.
    rw  PCI_bus string deprecated: PCI devices it is given, in the form of old releases.
    ins other_config map string string: Keys of clients and of features that have no field.
    run domid int: The number of its domain; -1 if it does not run.
    run domarch string: The architecture of its domain.
    ins last_boot_CPU_flags map string string = {}: Features of the CPUs it last booted on.
    run is_control_domain bool: It is dom0, or a domain that drives devices.
    run metrics ref VM_metrics: What is measured of it.
    run guest_metrics ref VM_guest_metrics: What the guest says of itself.
    ins last_booted_record string = "" @4.1: Its record when it last booted.
    rw  recommendations string: Limits for clients, as XML.
    rw  xenstore_data map string string = {} @4.1: What to put into its part of the xenstore.
    ins ha_always_run bool = false @5.0 deprecated: It is restarted when its host is lost, in the form of old
            releases.
    ins ha_restart_priority string = "" @5.0: Whether and how eagerly it is restarted when its host is lost.
    run is_a_snapshot bool @5.0: It is a snapshot of another.
    run snapshot_of ref VM <> VM.snapshots @5.0: The VM it is a snapshot of.
    run snapshots set ref VM <> VM.snapshot_of @5.0: Its snapshots.
    run snapshot_time datetime = "19700101T00:00:00Z" @5.0: When it was made as a snapshot.
    run transportable_snapshot_id string @5.0: The name of the snapshot in other storage.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    ins blocked_operations map vm_operations string = {} @5.0: What must not be done to it, and the error that says
            so.
    run snapshot_info map string string @5.6: What is known of the snapshot.
    run snapshot_metadata string @5.6: The VM's record when the snapshot was made.
    run parent ref VM <> VM.children @5.6: The snapshot or VM that it comes from.
    run children set ref VM <> VM.parent @5.6: What comes from it.
    run bios_strings map string string @5.6: What its firmware says of its maker.
    ins protection_policy ref VMPP = OpaqueRef:NULL <> VMPP.VMs @5.6fp1 deprecated: Its policy of old releases.
    ins is_snapshot_from_vmpp bool = false @5.6fp1 deprecated: Such a policy made the snapshot.
    ins appliance ref VM_appliance = OpaqueRef:NULL <> VM_appliance.VMs: The group it is started with.
    ins start_delay int = 0 @6.0: Seconds to wait after its start before the next of the group.
    ins shutdown_delay int = 0 @6.0: Seconds to wait after its shutdown before the next.
    ins order int = 0 @6.0: Its place in the order of the group.
    run VGPUs set ref VGPU <> VGPU.VM @6.0: Its virtual GPUs.
    run attached_PCIs set ref PCI <> PCI.attached_VMs @6.0: PCI devices that it has.
    rw  suspend_SR ref SR = OpaqueRef:NULL @6.0: Where it is suspended to.
    ins version int = 0 @6.0: How often it was recovered.
    ins generation_id string = "0:0" @6.2: Changes when it goes back in time; its guest can read it.
    rw  hardware_platform_version int = 0 @6.5sp1: The virtual hardware it needs.
    run is_default_template bool @7.2: It is a template that came with the software.
    rw  actions_after_softreboot on_softreboot_behavior = soft_reboot @23.1.0: What follows when it starts a new
            kernel by itself.
    run VUSBs set ref VUSB <> VUSB.VM: Its USB devices.
    ins snapshot_schedule ref VMSS = OpaqueRef:NULL <> VMSS.VMs @7.2: The schedule that makes snapshots of it.
    ins is_vmss_snapshot bool = false @7.2: A schedule made the snapshot.
    ins has_vendor_device bool = true @7.0: It has the device that brings drivers by Windows Update.
    run requires_reboot bool @7.1: It must reboot to have all updates.
    ins reference_label string = "" @7.1: The name of the template it was made of, for programs.
    ins domain_type domain_type = unspecified @7.4: Whether it is PV, PVH or HVM.
    ins NVRAM map string string = {} @8.0: What its firmware keeps.
    run pending_guidances set update_guidances @1.303.0: What must be done to it after updates.
    run pending_guidances_recommended set update_guidances @24.10.0: What should be done to it after updates.
    run pending_guidances_full set update_guidances @24.10.0: What had best be done to it after updates.
    run groups set ref VM_group <> VM_group.VMs @24.19.1: Groups that say whom it runs beside.
    run unfinished map string string hidden: What an import or checkpoint that has not ended makes for it: UUIDs of
            disks, with their SRs.
    run booted_platform string hidden: Its platform when its guest booted, as JSON; empty if nobody knows.
    run moving_to ref host hidden: Where it was to go when its guest was stopped for that.
    run secureboot_certificates_state vm_secureboot_certificates_state = ok @26.14.0: Whether it has the newest
            secure-boot certificates.
    """,
    messages="""
    snapshot(vm ref VM, new_name string, ignore_vdis? set ref VDI) -> ref VM
        host vm-power-admin @5.0: Make a snapshot of it and its disks.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED
    snapshot_with_quiesce(vm ref VM, new_name string) -> ref VM
        host vm-power-admin @5.0 deprecated: Make a snapshot, with the guest's file systems at rest.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED VM_SNAPSHOT_WITH_QUIESCE_FAILED
        VM_SNAPSHOT_WITH_QUIESCE_TIMEOUT VM_SNAPSHOT_WITH_QUIESCE_PLUGIN_DEOS_NOT_RESPOND
        VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED
    clone(vm ref VM, new_name string) -> ref VM
        host vm-admin: Make another of it, with disks that share blocks.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    copy(vm ref VM, new_name string, sr ref SR) -> ref VM
        pool via vm-admin: Make another of it, with full copies of its disks.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    revert(snapshot ref VM)
        host vm-power-admin @5.6: Take the VM back to a snapshot.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED SR_FULL VM_REVERT_FAILED
    checkpoint(vm ref VM, new_name string) -> ref VM
        host vm-power-admin @5.6: Make a snapshot of it, its disks and its memory.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED VM_CHECKPOINT_SUSPEND_FAILED
        VM_CHECKPOINT_RESUME_FAILED
    provision(vm ref VM)
        host vm-admin: Make the disks that its template describes.
        ! VM_BAD_POWER_STATE SR_FULL OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    start(vm ref VM, start_paused bool, force bool)
        host vm-operator: Start it on a host that suits.
        ! VM_BAD_POWER_STATE VM_HVM_REQUIRED VM_IS_TEMPLATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED
        BOOTLOADER_FAILED UNKNOWN_BOOTLOADER NO_HOSTS_AVAILABLE LICENCE_RESTRICTION
    start_on(vm ref VM, host ref host, start_paused bool, force bool)
        host vm-power-admin: Start it on this host.
        ! VM_BAD_POWER_STATE VM_IS_TEMPLATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED BOOTLOADER_FAILED
        UNKNOWN_BOOTLOADER
    pause(vm ref VM)
        host vm-operator: Stop its CPUs.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    unpause(vm ref VM)
        host vm-operator: Let its CPUs go on.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    clean_shutdown(vm ref VM)
        host vm-operator: Ask the guest to shut down, and wait until it has.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    shutdown(vm ref VM)
        host vm-operator @6.2: Ask the guest; if it does not, end it.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    clean_reboot(vm ref VM)
        host vm-operator: Ask the guest to reboot.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    hard_shutdown(vm ref VM)
        host vm-operator: End it at once.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    power_state_reset(vm ref VM)
        pool pool-operator: Record it as halted; nothing is done to what may run.
    hard_reboot(vm ref VM)
        host vm-operator: End it at once and start it again.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    suspend(vm ref VM)
        host vm-operator: Write its memory to disk and end it.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    resume(vm ref VM, start_paused bool, force bool)
        host vm-operator: Let a suspended one go on, on a host that suits.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    resume_on(vm ref VM, host ref host, start_paused bool, force bool)
        host vm-power-admin: Let a suspended one go on, on this host.
        ! VM_BAD_POWER_STATE OPERATION_NOT_ALLOWED VM_IS_TEMPLATE
    pool_migrate(vm ref VM, host ref host, options map string string)
        host vm-power-admin: Move it to another host of the pool; its guest stands still.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS VM_IS_TEMPLATE OPERATION_NOT_ALLOWED VM_MIGRATE_FAILED
    set_VCPUs_number_live(self ref VM, nvcpu int)
        host vm-admin: Change its number of CPUs while it runs.
        ! OPERATION_NOT_ALLOWED LICENCE_RESTRICTION
    add_to_VCPUs_params_live(self ref VM, key string, value string)
        host vm-admin stub NOT_IMPLEMENTED: Change a setting of its CPUs while it runs.
    set_ha_restart_priority(self ref VM, value string)
        pool pool-operator @5.0 sync: Say whether and how eagerly it is restarted.
    set_ha_always_run(self ref VM, value bool)
        pool pool-operator @5.0 sync deprecated: The same, in the form of old releases.
    compute_memory_overhead(vm ref VM) -> int
        pool read-only @5.6: Bytes that it needs beside its memory.
    set_memory_dynamic_max(self ref VM, value int)
        host vm-power-admin @5.6 sync: Set memory_dynamic_max.
    set_memory_dynamic_min(self ref VM, value int)
        host vm-power-admin @5.6 sync: Set memory_dynamic_min.
    set_memory_dynamic_range(self ref VM, min int, max int)
        host vm-power-admin @5.6: Set both limits of its balloon.
    set_memory_static_max(self ref VM, value int)
        pool vm-power-admin @5.0 sync: Set memory_static_max.
        ! HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN
    set_memory_static_min(self ref VM, value int)
        pool vm-power-admin @5.6 sync: Set memory_static_min.
    set_memory_static_range(self ref VM, min int, max int)
        pool vm-power-admin @5.6: Set the limits of its memory.
    set_memory_limits(self ref VM, static_min int, static_max int, dynamic_min int, dynamic_max int)
        host vm-power-admin @5.6: Set all four limits of its memory.
    set_memory_target_live(self ref VM, target int)
        host vm-power-admin deprecated: Set both limits of its balloon to one number.
    wait_memory_target_live(self ref VM)
        host read-only @5.0 deprecated: Wait until the balloon is there.
    get_cooperative(self ref VM) -> bool
        db read-only @5.6 deprecated: Always true.
    set_HVM_shadow_multiplier(self ref VM, value float)
        pool vm-power-admin @5.6 sync: Set HVM_shadow_multiplier.
    set_shadow_multiplier_live(self ref VM, multiplier float)
        host vm-power-admin: Change its memory for page tables while it runs.
    set_VCPUs_max(self ref VM, value int)
        db vm-admin @5.6 sync: Set VCPUs_max.
    set_VCPUs_at_startup(self ref VM, value int)
        db vm-admin @5.6 sync: Set VCPUs_at_startup.
    send_sysrq(vm ref VM, key string)
        host pool-admin stub NOT_IMPLEMENTED: Press a SysRq key in the guest.
        ! VM_BAD_POWER_STATE
    send_trigger(vm ref VM, trigger string)
        host pool-admin stub NOT_IMPLEMENTED: Send the guest a trigger, such as an NMI.
        ! VM_BAD_POWER_STATE
    maximise_memory(self ref VM, total int, approximate bool) -> int
        pool read-only @4.1: The most memory it could have within a total.
    migrate_send(vm ref VM, dest map string string, live bool, vdi_map map ref VDI ref SR, vif_map map ref VIF
        ref network, options map string string, vgpu_map? map ref VGPU ref GPU_group, vdi_format_map? map ref
        VDI string) -> ref VM
        host vm-power-admin @6.1: Move it to a host of its pool, its disks to other SRs if it is halted.
        ! VM_BAD_POWER_STATE LICENCE_RESTRICTION
    assert_can_migrate(vm ref VM, dest map string string, live bool, vdi_map map ref VDI ref SR, vif_map map ref
        VIF ref network, options map string string, vgpu_map? map ref VGPU ref GPU_group)
        pool vm-power-admin @6.1: Look whether migrate_send would move it.
        ! LICENCE_RESTRICTION
    get_boot_record(self ref VM) -> record VM
        db read-only sync deprecated: Its record when it last booted.
    get_data_sources(self ref VM) -> set record data_source
        host read-only @5.0 sync: What can be measured of it.
    record_data_source(self ref VM, data_source string)
        host vm-admin @5.0 sync: Begin to record a measurement.
    query_data_source(self ref VM, data_source string) -> float
        host read-only @5.0 sync: The last value of a measurement.
    forget_data_source_archives(self ref VM, data_source string)
        host vm-admin @5.0 sync: Forget what was recorded of a measurement.
    assert_operation_valid(self ref VM, op vm_operations)
        pool read-only: Look whether something may be done to it now.
    update_allowed_operations(self ref VM)
        pool pool-admin: Work out again what may be done to it.
    get_allowed_VBD_devices(vm ref VM) -> set string
        db read-only sync: Places where a disk can be added.
    get_allowed_VIF_devices(vm ref VM) -> set string
        db read-only sync: Places where a network interface can be added.
    get_possible_hosts(vm ref VM) -> set ref host
        pool read-only: Hosts that it could run on.
    assert_can_boot_here(self ref VM, host ref host)
        pool read-only: Look whether it could run on this host.
        ! HOST_NOT_ENOUGH_FREE_MEMORY VM_REQUIRES_SR VM_HOST_INCOMPATIBLE_VERSION
        VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION HOST_NOT_ENOUGH_PCPUS
        NETWORK_SRIOV_INSUFFICIENT_CAPACITY HOST_NOT_LIVE HOST_DISABLED HOST_CANNOT_ATTACH_NETWORK
        VM_HVM_REQUIRED VM_REQUIRES_GPU VM_REQUIRES_IOMMU VM_REQUIRES_NETWORK VM_REQUIRES_VGPU INVALID_VALUE
        MEMORY_CONSTRAINT_VIOLATION OPERATION_NOT_ALLOWED VALUE_NOT_SUPPORTED VM_INCOMPATIBLE_WITH_THIS_HOST
    create_new_blob(vm ref VM, name string, mime_type string, public? bool) -> ref blob
        db vm-power-admin @5.0: Make an empty blob that belongs to it.
    assert_agile(self ref VM)
        pool read-only @5.0: Look whether it could run on any host.
    retrieve_wlb_recommendations(vm ref VM) -> map ref host set string
        pool read-only @5.5: What the workload balancer says of each host.
    copy_bios_strings(vm ref VM, host ref host)
        db vm-admin @5.6: Take a host's words of its maker.
    set_protection_policy(self ref VM, value ref VMPP)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set protection_policy.
    set_start_delay(self ref VM, value int)
        db pool-operator @6.0: Set start_delay.
    set_shutdown_delay(self ref VM, value int)
        db pool-operator @6.0: Set shutdown_delay.
    set_order(self ref VM, value int)
        db pool-operator @6.0: Set order.
    set_suspend_VDI(self ref VM, value ref VDI)
        pool via pool-operator @6.0: Give a suspended one another disk with the same memory.
    assert_can_be_recovered(self ref VM, session_to ref session)
        pool read-only @6.0: Look whether its disks are here.
        ! VM_IS_PART_OF_AN_APPLIANCE VM_REQUIRES_SR
    get_SRs_required_for_recovery(self ref VM, session_to ref session) -> set ref SR
        pool read-only @6.5: SRs that its disks need.
    recover(self ref VM, session_to ref session, force bool)
        pool read-only @6.0: Take it over from the database of a lost pool.
    import_convert(type string, username string, password string, sr ref SR, remote_config map string string)
        host vm-admin @6.1: Import from another make of hypervisor.
    set_appliance(self ref VM, value ref VM_appliance)
        db pool-operator @6.0: Set appliance.
    query_services(self ref VM) -> map string string
        host pool-admin @6.1 stub NOT_IMPLEMENTED: What a driver domain offers.
    call_plugin(vm ref VM, plugin string, fn string, args map string string) -> string
        host vm-operator @6.5sp1: Call a plugin about it, on its host.
    set_actions_after_crash(self ref VM, value on_crash_behaviour)
        db vm-admin sync: Set actions_after_crash.
    set_HVM_boot_policy(self ref VM, value string)
        db vm-admin sync deprecated: Set HVM_boot_policy.
    set_platform(self ref VM, value map string string)
        db vm-admin sync: Set platform.
    add_to_platform(self ref VM, key string, value string)
        db vm-admin sync: Add a key to platform.
    remove_from_platform(self ref VM, key string)
        db vm-admin sync: Remove a key from platform.
    set_other_config(self ref VM, value map string string)
        db vm-admin sync: Set other_config.
    add_to_other_config(self ref VM, key string, value string)
        db vm-admin sync keys pool-admin:hvm_serial,pci;vm-operator:folder,XenCenter.CustomFields.*: Add a key.
    remove_from_other_config(self ref VM, key string)
        db vm-admin sync keys pool-admin:hvm_serial,pci;vm-operator:folder,XenCenter.CustomFields.*: Remove a key.
    set_xenstore_data(self ref VM, value map string string)
        host vm-admin @4.1 sync: Set xenstore_data.
    set_blocked_operations(self ref VM, value map vm_operations string)
        db vm-admin @5.0 sync: Set blocked_operations.
    add_to_blocked_operations(self ref VM, key vm_operations, value string)
        db vm-admin @5.0 sync: Add a key to blocked_operations.
    remove_from_blocked_operations(self ref VM, key vm_operations)
        db vm-admin @5.0 sync: Remove a key from blocked_operations.
    destroy(self ref VM)
        pool vm-admin: Remove it, with its drives and interfaces, but not its disks.
    sysprep(self ref VM, unattend string, timeout float)
        host vm-admin @25.24.0: Prepare the Windows in it for copying.
    update_secureboot_certificates_on_boot(self ref VM, mark bool)
        host vm-admin @26.14.0: Give it new secure-boot certificates at its next boot.
    get_secureboot_readiness(self ref VM) -> vm_secureboot_readiness
        host pool-admin @24.17.0: Whether it can boot securely.
    set_uefi_mode(self ref VM, mode vm_uefi_mode) -> string
        db pool-admin @24.17.0: Set up or clear its secure-boot keys.
    restart_device_models(self ref VM)
        host vm-power-admin @23.30.0: Restart its emulators.
        ! VM_BAD_POWER_STATE OTHER_OPERATION_IN_PROGRESS VM_IS_TEMPLATE OPERATION_NOT_ALLOWED
    set_domain_type(self ref VM, value domain_type)
        db vm-admin @7.5 sync: Set domain_type.
    import(url string, sr ref SR, full_restore bool, force bool) -> set ref VM
        host pool-operator @7.0: Import from a URL.
    set_has_vendor_device(self ref VM, value bool)
        db vm-admin @7.0: Set has_vendor_device.
    call_host_plugin(vm ref VM, plugin string, fn string, args map string string) -> string
        host vm-operator @25.22.0: Call a plugin of its host about it.
    set_groups(self ref VM, value set ref VM_group)
        db vm-admin @24.19.1: Set groups.
        ! OPERATION_NOT_ALLOWED
    set_snapshot_schedule(self ref VM, value ref VMSS)
        db pool-operator @7.2 sync: Set snapshot_schedule.
    set_bios_strings(self ref VM, value map string string)
        db vm-admin @7.3: Set bios_strings.
        ! VM_BIOS_STRINGS_ALREADY_SET INVALID_VALUE
    set_memory(self ref VM, value int)
        db vm-power-admin @7.1: Set all four limits of its memory to one number.
    remove_from_NVRAM(self ref VM, key string)
        db vm-admin @8.0 sync: Remove a key from NVRAM.
    add_to_NVRAM(self ref VM, key string, value string)
        db vm-admin @8.0 sync: Add a key to NVRAM.
    set_NVRAM(self ref VM, value map string string)
        db vm-admin @8.0: Set NVRAM.
    """,
)
