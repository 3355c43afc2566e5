"""PIF_metrics: what is measured of a PIF."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PIF_METRICS: Final[Class] = declare(
    "PIF_metrics",
    "What is measured of a PIF.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    run io_read_kbs float deprecated: KiB received each second.
    run io_write_kbs float deprecated: KiB sent each second.
    run carrier bool: It has a link.
    run vendor_id string: The number of the card's maker.
    run vendor_name string: The name of its maker.
    run device_id string: The number of the card.
    run device_name string: The name of the card.
    run speed int: Its speed in Mbit/s.
    run duplex bool: It sends and receives at once.
    run pci_bus_path string: Where it is on the PCI bus.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
