"""SM: A kind of SR that hosts can drive."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SM: Final[Class] = declare(
    "SM",
    "A kind of SR that hosts can drive.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run type string: Its name in SR.type.
    run vendor string: Who made it.
    run copyright string: Whose it is.
    run version string: Its version.
    run required_api_version string: The version of the plugin interface it needs.
    run configuration map string string: Keys of device_config it takes.
    run capabilities set string @4.1 deprecated: What it can do.
    run features map string int @6.2: What it can do on every host that has it, with versions.
    run host_pending_features map ref host set string @24.37.0 hidden: What only some hosts can do, by host.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run driver_filename string @5.0: Its program.
    run required_cluster_stack set string @7.0: Cluster stacks it needs one of.
    run supported_image_formats set image_format_type @26.15.0: Formats of images it has.
    """,
)
