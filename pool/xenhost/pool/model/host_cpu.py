"""host_cpu: A CPU of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_CPU: Final[Class] = declare(
    "host_cpu",
    "A CPU of a host.",
    writer="pool-operator",
    deprecated=True,
    fields="""
    run uuid string: Its UUID.
    run host ref host <> host.host_CPUs: The host.
    run number int: Its number.
    run vendor string: Who made it.
    run speed int: Its speed in MHz.
    run modelname string: What its maker calls it.
    run family int: The number of its family.
    run model int: The number of its model.
    run stepping string: Its stepping.
    run flags string: Its features, by name.
    run features string: Its features, as bits.
    run utilisation float: How busy it is, from 0 to 1.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    """,
)
