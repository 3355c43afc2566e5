"""SM: sm."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SM: Final[Class] = declare(
    "SM",
    "Sm.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run type string: Type.
    run vendor string: Vendor.
    run copyright string: Copyright.
    run version string: Version.
    run required_api_version string: Required api version.
    run configuration map string string: Configuration.
    run capabilities set string @4.1 deprecated: Capabilities.
    run features map string int @6.2: Features.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run driver_filename string @5.0: Driver filename.
    run required_cluster_stack set string @7.0: Required cluster stack.
    run supported_image_formats set image_format_type @26.15.0: Supported image formats.
    """,
)
