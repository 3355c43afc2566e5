"""VBD_metrics: vbd metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VBD_METRICS: Final[Class] = declare(
    "VBD_metrics",
    "Vbd metrics.",
    writer="vm-admin",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    run io_read_kbs float: Io read kbs.
    run io_write_kbs float: Io write kbs.
    run last_updated datetime = "19700101T00:00:00Z": When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
