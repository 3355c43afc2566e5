"""Feature: A feature of a host that may be on or off."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

FEATURE: Final[Class] = declare(
    "Feature",
    "A feature of a host that may be on or off.",
    writer="pool-admin",
    since="7.2",
    fields="""
    run uuid string @7.2: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run enabled bool @7.2: It is on.
    ins experimental bool = false @7.2: It is not finished.
    ins version string = "1.0" @7.2: Its version.
    run host ref host <> host.features @7.2: The host.
    """,
)
