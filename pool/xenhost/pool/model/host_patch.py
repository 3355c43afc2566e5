"""host_patch: host patch."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_PATCH: Final[Class] = declare(
    "host_patch",
    "Host patch.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string: Version.
    ins host ref host <> host.patches: Host.
    run filename string hidden: Filename.
    run applied bool: Applied.
    run timestamp_applied datetime: Timestamp applied.
    run size int: Size.
    ins pool_patch ref pool_patch = OpaqueRef:NULL <> pool_patch.host_patches @4.1: Pool patch.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref host_patch)
        db pool-operator deprecated: Destroy.
    apply(self ref host_patch) -> string
        host pool-operator deprecated stub MESSAGE_DEPRECATED: Apply.
    """,
)
