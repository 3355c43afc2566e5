"""xenhost sdn"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session
from xenhost.agent.cli.network_args import call
from xenhost.agent.cli.session import Session, json_option


@click.group()
def sdn() -> None:
    """SDN controllers: who else may say what Open vSwitch does. The keys are files: see xenhostd.toml(5), [network]."""


@sdn.command()
@click.argument("address", default="")
@click.option("--protocol", type=click.Choice(["ssl", "pssl"]), default="ssl", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 6632 for ssl, 6640 for pssl.")
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def introduce(
    session: Session, address: str, protocol: str, port: int | None, id: str, no_wait: bool, request_id: str
) -> None:
    """Let a controller manage Open vSwitch.

    With ssl, Open vSwitch connects to the controller at ADDRESS; with pssl it waits for the controller to connect.

    \b
    xenhost sdn introduce 192.0.2.9
    xenhost sdn introduce --protocol pssl
    """
    from xenhost.api.host.v1.sdn_service_pb2 import IntroduceSdnControllerRequest

    if (protocol == "ssl") is not bool(address):
        raise click.UsageError("ssl needs the address of the controller; with pssl the controller connects to us")
    request = IntroduceSdnControllerRequest(
        id=id, protocol=f"SDN_PROTOCOL_{protocol.upper()}", address=address, port=port or 0, request_id=request_id
    )
    call(session, "controllers", "IntroduceSdnController", request, no_wait, "the SDN controller is introduced")


@sdn.command()
@click.argument("controller", metavar="[UUID]", default="")
@operation_options
@pass_session
def forget(session: Session, controller: str, no_wait: bool, request_id: str) -> None:
    """Let it manage Open vSwitch no longer. Without a UUID: the one that there is."""
    from xenhost.api.host.v1.sdn_service_pb2 import ForgetSdnControllerRequest, ListSdnControllersRequest

    if not controller:
        with session.client() as client:
            found = client.call(client.controllers.ListSdnControllers, ListSdnControllersRequest()).controllers
        if len(found) != 1:
            raise click.UsageError(f"there are {len(found)} SDN controllers; say which")
        controller = found[0].id
    request = ForgetSdnControllerRequest(id=controller, request_id=request_id)
    call(session, "controllers", "ForgetSdnController", request, no_wait, "the SDN controller is forgotten")


@sdn.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the SDN controllers, and whether they are connected."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sdn_service_pb2 import ListSdnControllersRequest

    with session.client() as client:
        found = client.call(client.controllers.ListSdnControllers, ListSdnControllersRequest()).controllers
    rows = [shape(each) for each in found]
    if not session.as_json:
        for row in rows:
            row["connected"] = "yes" if row["status"]["connected"] else "no"
            row["problem"] = row["status"]["problem"]
    columns = [
        *(("protocol", "Protocol"), ("address", "Address"), ("port", "Port"), ("connected", "Connected")),
        *(("problem", "Problem"), ("id", "UUID")),
    ]
    session.rows(rows, columns, "no SDN controllers", optional=("problem", "id"))
