"""Driver_variant: A version of a driver."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DRIVER_VARIANT: Final[Class] = declare(
    "Driver_variant",
    "A version of a driver.",
    writer="pool-admin",
    since="25.2.0",
    fields="""
    run uuid string @25.2.0: Its UUID.
    run name string @25.2.0: Its name.
    run driver ref Host_driver <> Host_driver.variants @25.2.0: The driver.
    run version string @25.2.0: Its version.
    run hardware_present bool @25.2.0: The host has what it drives.
    run priority float @25.2.0: Which is chosen first.
    run status string @25.2.0: How finished it is.
    """,
    messages="""
    select(self ref Driver_variant)
        host pool-admin @25.2.0: Use it after the next boot.
    """,
)
