"""host_metrics: host metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_METRICS: Final[Class] = declare(
    "host_metrics",
    "Host metrics.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run memory_total int: Memory total.
    run memory_free int deprecated: Memory free.
    run live bool: Live.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
