"""xenhost pvs"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session
from xenhost.agent.cli.network_args import call, words
from xenhost.agent.cli.session import Session, json_option

MAX_PORT = 65535


@click.group()
def pvs() -> None:
    """Citrix Provisioning: VMs that stream their disks, and proxies that cache what they stream.

    The proxy is a daemon of XenServer. Where it does not run, VMs reach their servers as ever.
    """


@pvs.command("site-introduce")
@click.argument("name")
@click.option("--description", default="")
@click.option("--pvs-uuid", default="", help="As the site calls itself.")
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def site_introduce(
    session: Session, name: str, description: str, pvs_uuid: str, id: str, no_wait: bool, request_id: str
) -> None:
    """Record a site."""
    from xenhost.api.host.v1.pvs_service_pb2 import IntroducePvsSiteRequest

    request = IntroducePvsSiteRequest(
        id=id, name=name, description=description, pvs_uuid=pvs_uuid, request_id=request_id
    )
    call(session, "pvs", "IntroducePvsSite", request, no_wait, "the site is introduced")


@pvs.command("site-forget")
@click.argument("site")
@operation_options
@pass_session
def site_forget(session: Session, site: str, no_wait: bool, request_id: str) -> None:
    """Forget a site that has no servers and proxies."""
    from xenhost.api.host.v1.pvs_service_pb2 import ForgetPvsSiteRequest

    request = ForgetPvsSiteRequest(id=site, request_id=request_id)
    call(session, "pvs", "ForgetPvsSite", request, no_wait, "the site is forgotten")


@pvs.command("server-introduce")
@click.argument("site")
@click.option("--address", multiple=True, required=True, help="Repeatable, or with commas.")
@click.option("--first-port", type=click.IntRange(1, MAX_PORT), required=True)
@click.option("--last-port", type=click.IntRange(1, MAX_PORT), required=True)
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def server_introduce(
    session: Session,
    site: str,
    address: tuple[str, ...],
    first_port: int,
    last_port: int,
    id: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Add a server to a site."""
    from xenhost.api.host.v1.pvs_service_pb2 import IntroducePvsServerRequest

    request = IntroducePvsServerRequest(
        id=id,
        site_id=site,
        addresses=words(address),
        first_port=first_port,
        last_port=last_port,
        request_id=request_id,
    )
    call(session, "pvs", "IntroducePvsServer", request, no_wait, "the server is introduced")


@pvs.command("server-forget")
@click.argument("server", metavar="UUID")
@operation_options
@pass_session
def server_forget(session: Session, server: str, no_wait: bool, request_id: str) -> None:
    """Take a server out of its site."""
    from xenhost.api.host.v1.pvs_service_pb2 import ForgetPvsServerRequest

    request = ForgetPvsServerRequest(id=server, request_id=request_id)
    call(session, "pvs", "ForgetPvsServer", request, no_wait, "the server is forgotten")


@pvs.command("proxy-create")
@click.argument("site")
@click.argument("vm")
@click.argument("vif", type=click.IntRange(0, 255), default=0)
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def proxy_create(session: Session, site: str, vm: str, vif: int, id: str, no_wait: bool, request_id: str) -> None:
    """Send the traffic of a VM's network card with the servers of a site through the proxy."""
    from xenhost.api.host.v1.pvs_service_pb2 import CreatePvsProxyRequest

    request = CreatePvsProxyRequest(id=id, site_id=site, vm_id=vm, vif_index=vif, request_id=request_id)
    call(session, "pvs", "CreatePvsProxy", request, no_wait, "the proxy is created")


@pvs.command("proxy-destroy")
@click.argument("proxy", metavar="UUID")
@operation_options
@pass_session
def proxy_destroy(session: Session, proxy: str, no_wait: bool, request_id: str) -> None:
    """Let it reach the servers directly."""
    from xenhost.api.host.v1.pvs_service_pb2 import DestroyPvsProxyRequest

    request = DestroyPvsProxyRequest(id=proxy, request_id=request_id)
    call(session, "pvs", "DestroyPvsProxy", request, no_wait, "the proxy is destroyed")


@pvs.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List sites, their servers, and proxies with their state."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.pvs_service_pb2 import ListPvsSitesRequest

    with session.client() as client:
        sites = [shape(each) for each in client.call(client.pvs.ListPvsSites, ListPvsSitesRequest()).sites]
    if session.as_json:
        session.rows(sites, [("name", "Name")], "no PVS sites")
        return
    rows = []
    for site in sites:
        rows.append({"site": site["name"], "what": "site", "is": site["description"], "id": site["id"]})
        for server in site["servers"]:
            where = f"{', '.join(server['addresses'])}  ports {server['first_port']} to {server['last_port']}"
            rows.append({"site": site["name"], "what": "server", "is": where, "id": server["id"]})
        for proxy in site["proxies"]:
            status = proxy["status"]
            state = f"{proxy['mac']} on {proxy['bridge']}  {status['state']}"
            if status["problem"]:
                state += f"  ! {status['problem']}"
            rows.append({"site": site["name"], "what": "proxy", "is": state, "id": proxy["id"]})
    columns = [("site", "Site"), ("what", "What"), ("is", "Is"), ("id", "UUID")]
    session.rows(rows, columns, "no PVS sites", optional=("id",))
