"""VMPP: vmpp."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VMPP: Final[Class] = declare(
    "VMPP",
    "Vmpp.",
    writer="pool-operator",
    since="5.6fp1",
    deprecated=True,
    fields="""
    run uuid string @5.6fp1: Its UUID.
    rw  name_label string = "" @5.6fp1: Its name, for people.
    rw  name_description string = "" @5.6fp1: Notes, for people.
    rw  is_policy_enabled bool = true @5.6fp1: Is policy enabled.
    rw  backup_type vmpp_backup_type = snapshot @5.6fp1: Backup type.
    ins backup_retention_value int = 7 @5.6fp1: Backup retention value.
    ins backup_frequency vmpp_backup_frequency = daily @5.6fp1: Backup frequency.
    ins backup_schedule map string string = {} @5.6fp1: Backup schedule.
    run is_backup_running bool @5.6fp1: Is backup running.
    run backup_last_run_time datetime = "19700101T00:00:00Z" @5.6fp1: Backup last run time.
    ins archive_target_type vmpp_archive_target_type = none @5.6fp1: Archive target type.
    ins archive_target_config map string string = {} @5.6fp1: Archive target config.
    ins archive_frequency vmpp_archive_frequency = never @5.6fp1: Archive frequency.
    ins archive_schedule map string string = {} @5.6fp1: Archive schedule.
    run is_archive_running bool @5.6fp1: Is archive running.
    run archive_last_run_time datetime = "19700101T00:00:00Z" @5.6fp1: Archive last run time.
    run VMs set ref VM <> VM.protection_policy @5.6fp1: Vms.
    ins is_alarm_enabled bool = false @5.6fp1: Is alarm enabled.
    ins alarm_config map string string = {} @5.6fp1: Alarm config.
    run recent_alerts set string @5.6fp1: Recent alerts.
    """,
    messages="""
    protect_now(vmpp ref VMPP) -> string
        pool via pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Protect now.
    archive_now(snapshot ref VM) -> string
        host vm-power-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Archive now.
    get_alerts(vmpp ref VMPP, hours_from_now int) -> set string
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Get alerts.
    set_backup_retention_value(self ref VMPP, value int)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup retention value.
    set_backup_frequency(self ref VMPP, value vmpp_backup_frequency)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup frequency.
    set_backup_schedule(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup schedule.
    set_archive_frequency(self ref VMPP, value vmpp_archive_frequency)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive frequency.
    set_archive_schedule(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive schedule.
    set_archive_target_type(self ref VMPP, value vmpp_archive_target_type)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive target type.
    set_archive_target_config(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive target config.
    set_is_alarm_enabled(self ref VMPP, value bool)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set is alarm enabled.
    set_alarm_config(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set alarm config.
    add_to_backup_schedule(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add to backup schedule.
    add_to_archive_target_config(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add to archive target config.
    add_to_archive_schedule(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add to archive schedule.
    add_to_alarm_config(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add to alarm config.
    remove_from_backup_schedule(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove from backup schedule.
    remove_from_archive_target_config(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove from archive target config.
    remove_from_archive_schedule(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove from archive schedule.
    remove_from_alarm_config(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove from alarm config.
    set_backup_last_run_time(self ref VMPP, value datetime)
        db pool-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup last run time.
    set_archive_last_run_time(self ref VMPP, value datetime)
        db pool-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive last run time.
    create(args record VMPP) -> ref VMPP
        db pool-operator @5.6fp1 deprecated stub MESSAGE_REMOVED: Create.
    destroy(self ref VMPP)
        db pool-operator @5.6fp1 deprecated stub MESSAGE_REMOVED: Destroy.
    """,
)
