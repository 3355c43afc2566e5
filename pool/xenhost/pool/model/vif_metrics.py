"""VIF_metrics: vif metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VIF_METRICS: Final[Class] = declare(
    "VIF_metrics",
    "Vif metrics.",
    writer="vm-admin",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    run io_read_kbs float: Io read kbs.
    run io_write_kbs float: Io write kbs.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
