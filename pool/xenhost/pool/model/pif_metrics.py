"""PIF_metrics: pif metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PIF_METRICS: Final[Class] = declare(
    "PIF_metrics",
    "Pif metrics.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run io_read_kbs float deprecated: Io read kbs.
    run io_write_kbs float deprecated: Io write kbs.
    run carrier bool: Carrier.
    run vendor_id string: Vendor id.
    run vendor_name string: Vendor name.
    run device_id string: Device id.
    run device_name string: Device name.
    run speed int: Speed.
    run duplex bool: Duplex.
    run pci_bus_path string: Pci bus path.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
