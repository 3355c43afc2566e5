"""probe_result: something that SR.probe_ext has found."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PROBE_RESULT: Final[Class] = declare(
    "probe_result",
    "Something that SR.probe_ext has found.",
    writer="pool-admin",
    calls="",
    since="7.5",
    stored=False,
    fields="""
    run configuration map string string @7.5: The device_config that leads there.
    run complete bool @7.5: That is all a driver needs.
    run sr option record sr_stat @7.5: The SR that is there.
    run extra_info map string string @7.5: What else is known of it.
    """,
)
