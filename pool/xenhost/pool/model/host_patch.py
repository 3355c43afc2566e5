"""host_patch: A patch of old releases that a host has."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_PATCH: Final[Class] = declare(
    "host_patch",
    "A patch of old releases that a host has.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    ins version string: Its version.
    ins host ref host <> host.patches: The host.
    run filename string hidden: Where it is on the host.
    run applied bool: It is applied.
    run timestamp_applied datetime: When it was applied.
    run size int: Its size in bytes.
    ins pool_patch ref pool_patch = OpaqueRef:NULL <> pool_patch.host_patches @4.1: The patch.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref host_patch)
        db pool-operator deprecated: Remove it from the host.
    apply(self ref host_patch) -> string
        host pool-operator deprecated stub MESSAGE_DEPRECATED: Apply it.
    """,
)
