"""pool_update: an update of the software."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL_UPDATE: Final[Class] = declare(
    "pool_update",
    "An update of the software.",
    writer="pool-operator",
    since="7.1",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string = "" @7.1: Its version.
    ins installation_size int = 0 @7.1: Bytes that it needs on a host.
    ins key string = "" @7.1: The key that it is signed with.
    ins after_apply_guidance set update_after_apply_guidance = [] @7.1: What must be restarted afterwards.
    ins vdi ref VDI: The disk it is on.
    run hosts set ref host <> host.updates @7.1: Hosts that have it.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    ins enforce_homogeneity bool = false @7.3: All hosts must have it, or none.
    """,
    messages="""
    destroy(self ref pool_update)
        pool via pool-operator @7.1: Remove it; no host may have it.
    pool_clean(self ref pool_update)
        pool via pool-operator @7.1: Remove its files from all hosts.
    pool_apply(self ref pool_update)
        pool via pool-operator @7.1: Apply it to all hosts.
    apply(self ref pool_update, host ref host)
        pool via pool-operator @7.1: Apply it to a host.
    precheck(self ref pool_update, host ref host) -> livepatch_status
        pool via pool-operator @7.1: Look whether a host can take it.
    introduce(vdi ref VDI) -> ref pool_update
        pool via pool-operator @7.1: Make an update of a disk.
    """,
)
