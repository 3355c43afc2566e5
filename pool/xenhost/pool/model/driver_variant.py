"""Driver_variant: driver variant."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DRIVER_VARIANT: Final[Class] = declare(
    "Driver_variant",
    "Driver variant.",
    writer="pool-admin",
    since="25.2.0",
    fields="""
    run uuid string @25.2.0: Its UUID.
    run name string @25.2.0: Name.
    run driver ref Host_driver <> Host_driver.variants @25.2.0: Driver.
    run version string @25.2.0: Version.
    run hardware_present bool @25.2.0: Hardware present.
    run priority float @25.2.0: Priority.
    run status string @25.2.0: Status.
    """,
    messages="""
    select(self ref Driver_variant)
        host pool-admin @25.2.0: Select.
    """,
)
