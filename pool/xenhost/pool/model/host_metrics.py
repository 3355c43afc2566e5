"""host_metrics: what is measured of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_METRICS: Final[Class] = declare(
    "host_metrics",
    "What is measured of a host.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run memory_total int: Its memory in bytes.
    run memory_free int deprecated: Bytes that are free.
    run live bool: It spoke lately.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
