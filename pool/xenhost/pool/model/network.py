"""network: A virtual network, on all hosts that have a PIF in it."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

NETWORK: Final[Class] = declare(
    "network",
    "A virtual network, on all hosts that have a PIF in it.",
    writer="vm-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    rw  name_label string = "" by pool-operator: Its name, for people.
    rw  name_description string = "" by pool-operator: Notes, for people.
    run allowed_operations set network_operations: What may be done to it now; advice only.
    run current_operations map string network_operations: What is being done to it, by task.
    run VIFs set ref VIF <> VIF.network: VMs' interfaces in it.
    run PIFs set ref PIF <> PIF.network: Hosts' interfaces in it.
    rw  MTU int = 1500 @5.6: The largest frame, in bytes.
    rw  other_config map string string by pool-operator keys
            vm-operator:folder,XenCenter.CustomFields.*,XenCenterCreateInProgress: Keys of clients and of
            features that have no field.
    ins bridge string = "": The name of its bridge on hosts.
    run blobs map string ref blob @5.0: Binary blobs that belong to it, by name.
    rw  tags set string = [] @5.0 by vm-operator: Words that people find it by.
    run default_locking_mode network_default_locking_mode = unlocked @6.1: What VIFs may send that do not say.
    run assigned_ips map ref VIF string @6.5: Addresses that it gave to VIFs.
    ins managed bool = true @7.2: xenhost makes its bridges.
    run purpose set network_purpose @7.3: What it is for, beside VMs.
    """,
    messages="""
    create_new_blob(network ref network, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Make an empty blob that belongs to it.
    set_default_locking_mode(network ref network, value network_default_locking_mode)
        db pool-operator @6.1: Set default_locking_mode.
    remove_purpose(self ref network, value network_purpose)
        db pool-admin @7.3: Remove a value from purpose.
    add_purpose(self ref network, value network_purpose)
        db pool-admin @7.3: Add a value to purpose.
        ! NETWORK_INCOMPATIBLE_PURPOSES
    """,
)
