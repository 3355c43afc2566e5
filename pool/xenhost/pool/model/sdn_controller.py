"""SDN_controller: sdn controller."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

SDN_CONTROLLER: Final[Class] = declare(
    "SDN_controller",
    "Sdn controller.",
    writer="pool-admin",
    since="7.2",
    fields="""
    run uuid string @7.2: Its UUID.
    ins protocol sdn_controller_protocol = ssl @7.2: Protocol.
    ins address string = "" @7.2: Address.
    ins port int = 0 @7.2: Port.
    """,
    messages="""
    forget(self ref SDN_controller)
        pool via pool-operator @7.2: Forget.
    introduce(protocol? sdn_controller_protocol = ssl, address? string, port? int) -> ref SDN_controller
        pool via pool-operator @7.2: Introduce.
    """,
)
