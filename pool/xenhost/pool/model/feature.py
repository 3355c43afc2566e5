"""Feature: feature."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

FEATURE: Final[Class] = declare(
    "Feature",
    "Feature.",
    writer="pool-admin",
    since="7.2",
    fields="""
    run uuid string @7.2: Its UUID.
    ins name_label string = "": Its name, for people.
    ins name_description string = "": Notes, for people.
    run enabled bool @7.2: Enabled.
    ins experimental bool = false @7.2: Experimental.
    ins version string = "1.0" @7.2: Version.
    run host ref host <> host.features @7.2: Host.
    """,
)
