"""pool_patch: A patch of old releases."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL_PATCH: Final[Class] = declare(
    "pool_patch",
    "A patch of old releases.",
    writer="pool-operator",
    since="4.1",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string = "" @4.1: Its version.
    run filename string hidden: Where it is on the master.
    run size int @4.1: Its size in bytes.
    run pool_applied bool @4.1: All hosts have it.
    run host_patches set ref host_patch <> host_patch.pool_patch @4.1: The hosts that have it.
    run after_apply_guidance set after_apply_guidance @4.1: What must be restarted afterwards.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    ins pool_update ref pool_update = OpaqueRef:NULL @7.1: The update that stands for it today.
    """,
    messages="""
    apply(self ref pool_patch, host ref host) -> string
        host pool-operator @4.1 deprecated: Apply it to a host.
    pool_apply(self ref pool_patch)
        pool via pool-operator @4.1 deprecated: Apply it to all hosts.
    precheck(self ref pool_patch, host ref host) -> string
        host pool-operator @4.1 deprecated: Look whether a host can take it.
    clean(self ref pool_patch)
        host pool-operator @4.1 deprecated: Remove its file from the master.
    pool_clean(self ref pool_patch)
        pool via pool-operator @6.1 deprecated: Remove its file from all hosts.
    destroy(self ref pool_patch)
        pool via pool-operator @4.1 deprecated: Remove it; no host may have it.
    clean_on_host(self ref pool_patch, host ref host)
        host pool-operator @6.1 deprecated: Remove its file from a host.
    """,
)
