"""sr_stat: how full and how well an SR is."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SR_STAT: Final[Class] = declare(
    "sr_stat",
    "How full and how well an SR is.",
    writer="pool-admin",
    calls="",
    since="7.5",
    stored=False,
    fields="""
    run uuid option string @7.5: Its UUID.
    run name_label string @7.5: Its name, for people.
    run name_description string @7.5: Notes, for people.
    run free_space int @7.5: Bytes that are free.
    run total_space int @7.5: Bytes that it has.
    run clustered bool @7.5: It needs a cluster of hosts.
    run health sr_health @7.5: How well it is.
    """,
)
