"""PBD: how a host reaches an SR."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PBD: Final[Class] = declare(
    "PBD",
    "How a host reaches an SR.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    ins host ref host <> host.PBDs: The host.
    ins SR ref SR <> SR.PBDs: The SR.
    ins device_config map string string: Where and how, for the driver.
    run currently_attached bool: It is plugged.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    plug(self ref PBD)
        host pool-operator: Connect the host to the SR.
        ! SR_UNKNOWN_DRIVER
    unplug(self ref PBD)
        host pool-operator: Take the host from the SR.
    set_device_config(self ref PBD, value map string string)
        host pool-operator @4.1: Change where and how; it must be unplugged.
    """,
)
