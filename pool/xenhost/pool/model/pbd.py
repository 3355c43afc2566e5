"""PBD: pbd."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PBD: Final[Class] = declare(
    "PBD",
    "Pbd.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    fields="""
    run uuid string: Its UUID.
    ins host ref host <> host.PBDs: Host.
    ins SR ref SR <> SR.PBDs: Sr.
    ins device_config map string string: Device config.
    run currently_attached bool: Currently attached.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    plug(self ref PBD)
        host pool-operator: Plug.
        ! SR_UNKNOWN_DRIVER
    unplug(self ref PBD)
        host pool-operator: Unplug.
    set_device_config(self ref PBD, value map string string)
        host pool-operator @4.1: Set device config.
    """,
)
