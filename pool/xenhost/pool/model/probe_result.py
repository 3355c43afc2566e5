"""probe_result: probe result."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PROBE_RESULT: Final[Class] = declare(
    "probe_result",
    "Probe result.",
    writer="pool-admin",
    calls="",
    since="7.5",
    stored=False,
    fields="""
    run configuration map string string @7.5: Configuration.
    run complete bool @7.5: Complete.
    run sr option record sr_stat @7.5: Sr.
    run extra_info map string string @7.5: Extra info.
    """,
)
