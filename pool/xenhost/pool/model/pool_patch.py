"""pool_patch: pool patch."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

POOL_PATCH: Final[Class] = declare(
    "pool_patch",
    "Pool patch.",
    writer="pool-operator",
    since="4.1",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string = "" @4.1: Version.
    run filename string hidden: Filename.
    run size int @4.1: Size.
    run pool_applied bool @4.1: Pool applied.
    run host_patches set ref host_patch <> host_patch.pool_patch @4.1: Host patches.
    run after_apply_guidance set after_apply_guidance @4.1: After apply guidance.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    ins pool_update ref pool_update = OpaqueRef:NULL @7.1: Pool update.
    """,
    messages="""
    apply(self ref pool_patch, host ref host) -> string
        host pool-operator @4.1 deprecated: Apply.
    pool_apply(self ref pool_patch)
        pool via pool-operator @4.1 deprecated: Pool apply.
    precheck(self ref pool_patch, host ref host) -> string
        host pool-operator @4.1 deprecated: Precheck.
    clean(self ref pool_patch)
        host pool-operator @4.1 deprecated: Clean.
    pool_clean(self ref pool_patch)
        pool via pool-operator @6.1 deprecated: Pool clean.
    destroy(self ref pool_patch)
        pool via pool-operator @4.1 deprecated: Destroy.
    clean_on_host(self ref pool_patch, host ref host)
        host pool-operator @6.1 deprecated: Clean on host.
    """,
)
