"""network: network."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

NETWORK: Final[Class] = declare(
    "network",
    "Network.",
    writer="vm-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Uuid.
    rw  name_label string = "" by pool-operator: Name label.
    rw  name_description string = "" by pool-operator: Name description.
    run allowed_operations set network_operations: Allowed operations.
    run current_operations map string network_operations: Current operations.
    run VIFs set ref VIF <> VIF.network: Vifs.
    run PIFs set ref PIF <> PIF.network: Pifs.
    rw  MTU int = 1500 @5.6: Mtu.
    rw  other_config map string string by pool-operator keys
            vm-operator:folder,XenCenter.CustomFields.*,XenCenterCreateInProgress: Other config.
    ins bridge string = "": Bridge.
    run blobs map string ref blob @5.0: Blobs.
    rw  tags set string = [] @5.0 by vm-operator: Tags.
    run default_locking_mode network_default_locking_mode = unlocked @6.1: Default locking mode.
    run assigned_ips map ref VIF string @6.5: Assigned ips.
    ins managed bool = true @7.2: Managed.
    run purpose set network_purpose @7.3: Purpose.
    """,
    messages="""
    create_new_blob(network ref network, name string, mime_type string, public? bool) -> ref blob
        db pool-operator @5.0: Create new blob.
    set_default_locking_mode(network ref network, value network_default_locking_mode)
        db pool-operator @6.1: Set default locking mode.
    remove_purpose(self ref network, value network_purpose)
        db pool-admin @7.3: Remove purpose.
    add_purpose(self ref network, value network_purpose)
        db pool-admin @7.3: Add purpose.
        ! NETWORK_INCOMPATIBLE_PURPOSES
    """,
)
