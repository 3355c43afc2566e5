"""VBD_metrics: measurements of VBDs in old releases."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VBD_METRICS: Final[Class] = declare(
    "VBD_metrics",
    "Measurements of VBDs in old releases.",
    writer="vm-admin",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    run io_read_kbs float: KiB read each second.
    run io_write_kbs float: KiB written each second.
    run last_updated datetime = "19700101T00:00:00Z": When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
