"""host_cpu: host cpu."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_CPU: Final[Class] = declare(
    "host_cpu",
    "Host cpu.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    run host ref host <> host.host_CPUs: Host.
    run number int: Number.
    run vendor string: Vendor.
    run speed int: Speed.
    run modelname string: Modelname.
    run family int: Family.
    run model int: Model.
    run stepping string: Stepping.
    run flags string: Flags.
    run features string: Features.
    run utilisation float: Utilisation.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
