"""VMPP: A protection policy of old releases."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VMPP: Final[Class] = declare(
    "VMPP",
    "A protection policy of old releases.",
    writer="pool-operator",
    since="5.6fp1",
    deprecated=True,
    fields="""
    run uuid string @5.6fp1: Its UUID.
    rw  name_label string = "" @5.6fp1: Its name, for people.
    rw  name_description string = "" @5.6fp1: Notes, for people.
    rw  is_policy_enabled bool = true @5.6fp1: It was in force.
    rw  backup_type vmpp_backup_type = snapshot @5.6fp1: What it made.
    ins backup_retention_value int = 7 @5.6fp1: How many it kept.
    ins backup_frequency vmpp_backup_frequency = daily @5.6fp1: How often.
    ins backup_schedule map string string = {} @5.6fp1: When.
    run is_backup_running bool @5.6fp1: One was being made.
    run backup_last_run_time datetime = "19700101T00:00:00Z" @5.6fp1: When the last was made.
    ins archive_target_type vmpp_archive_target_type = none @5.6fp1: Where archives went.
    ins archive_target_config map string string = {} @5.6fp1: Settings of that.
    ins archive_frequency vmpp_archive_frequency = never @5.6fp1: How often.
    ins archive_schedule map string string = {} @5.6fp1: When.
    run is_archive_running bool @5.6fp1: One was being made.
    run archive_last_run_time datetime = "19700101T00:00:00Z" @5.6fp1: When the last was made.
    run VMs set ref VM <> VM.protection_policy @5.6fp1: VMs it was for.
    ins is_alarm_enabled bool = false @5.6fp1: It sent mail.
    ins alarm_config map string string = {} @5.6fp1: Settings of that.
    run recent_alerts set string @5.6fp1: What it last had to say.
    """,
    messages="""
    protect_now(vmpp ref VMPP) -> string
        pool via pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Make snapshots now.
    archive_now(snapshot ref VM) -> string
        host vm-power-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Make an archive now.
    get_alerts(vmpp ref VMPP, hours_from_now int) -> set string
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: What it had to say.
    set_backup_retention_value(self ref VMPP, value int)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup_retention_value.
    set_backup_frequency(self ref VMPP, value vmpp_backup_frequency)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup_frequency.
    set_backup_schedule(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup_schedule.
    set_archive_frequency(self ref VMPP, value vmpp_archive_frequency)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive_frequency.
    set_archive_schedule(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive_schedule.
    set_archive_target_type(self ref VMPP, value vmpp_archive_target_type)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive_target_type.
    set_archive_target_config(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive_target_config.
    set_is_alarm_enabled(self ref VMPP, value bool)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set is_alarm_enabled.
    set_alarm_config(self ref VMPP, value map string string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set alarm_config.
    add_to_backup_schedule(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add a key to backup_schedule.
    add_to_archive_target_config(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add a key to archive_target_config.
    add_to_archive_schedule(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add a key to archive_schedule.
    add_to_alarm_config(self ref VMPP, key string, value string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Add a key to alarm_config.
    remove_from_backup_schedule(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove a key from backup_schedule.
    remove_from_archive_target_config(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove a key from archive_target_config.
    remove_from_archive_schedule(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove a key from archive_schedule.
    remove_from_alarm_config(self ref VMPP, key string)
        db pool-operator @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Remove a key from alarm_config.
    set_backup_last_run_time(self ref VMPP, value datetime)
        db pool-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set backup_last_run_time.
    set_archive_last_run_time(self ref VMPP, value datetime)
        db pool-admin @5.6fp1 sync deprecated stub MESSAGE_REMOVED: Set archive_last_run_time.
    create(args record VMPP) -> ref VMPP
        db pool-operator @5.6fp1 deprecated stub MESSAGE_REMOVED: Make a policy.
    destroy(self ref VMPP)
        db pool-operator @5.6fp1 deprecated stub MESSAGE_REMOVED: Remove the policy.
    """,
)
