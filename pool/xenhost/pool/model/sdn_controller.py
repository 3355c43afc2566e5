"""SDN_controller: A controller of virtual switches."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SDN_CONTROLLER: Final[Class] = declare(
    "SDN_controller",
    "A controller of virtual switches.",
    writer="pool-admin",
    since="7.2",
    fields="""
    run uuid string @7.2: Its UUID.
    ins protocol sdn_controller_protocol = ssl @7.2: How it is spoken to.
    ins address string = "" @7.2: Where it is.
    ins port int = 0 @7.2: Its port.
    """,
    messages="""
    forget(self ref SDN_controller)
        pool via pool-operator @7.2: Use it no more.
    introduce(protocol? sdn_controller_protocol = ssl, address? string, port? int) -> ref SDN_controller
        pool via pool-operator @7.2: Use it.
    """,
)
