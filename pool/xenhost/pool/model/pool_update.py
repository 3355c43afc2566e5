"""pool_update: pool update."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL_UPDATE: Final[Class] = declare(
    "pool_update",
    "Pool update.",
    writer="pool-operator",
    since="7.1",
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string = "" @7.1: Version.
    ins installation_size int = 0 @7.1: Installation size.
    ins key string = "" @7.1: Key.
    ins after_apply_guidance set update_after_apply_guidance = [] @7.1: After apply guidance.
    ins vdi ref VDI: Vdi.
    run hosts set ref host <> host.updates @7.1: Hosts.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    ins enforce_homogeneity bool = false @7.3: Enforce homogeneity.
    """,
    messages="""
    destroy(self ref pool_update)
        pool via pool-operator @7.1: Destroy.
    pool_clean(self ref pool_update)
        pool via pool-operator @7.1: Pool clean.
    pool_apply(self ref pool_update)
        pool via pool-operator @7.1: Pool apply.
    apply(self ref pool_update, host ref host)
        pool via pool-operator @7.1: Apply.
    precheck(self ref pool_update, host ref host) -> livepatch_status
        pool via pool-operator @7.1: Precheck.
    introduce(vdi ref VDI) -> ref pool_update
        pool via pool-operator @7.1: Introduce.
    """,
)
