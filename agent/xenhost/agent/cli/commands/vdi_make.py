"""xenhost vdi create, introduce, destroy, forget, update, resize"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import (
    complete_sr,
    operation_options,
    pass_session,
    request_id_option,
    vdi_argument,
)
from xenhost.agent.cli.parse import PAIR, SIZE
from xenhost.agent.cli.session import Session, json_option

TYPES = ("user", "system", "ephemeral", "suspend", "crashdump", "ha_statefile", "metadata", "redo_log", "rrd")


@click.command()
@click.argument("sr", shell_complete=complete_sr)
@click.argument("name")
@click.argument("size", type=SIZE)
@click.option("--description", default="", help="What it is for.")
@click.option("--type", "type_", type=click.Choice(TYPES), default="user", help="What it holds; default user.")
@click.option("--sharable", is_flag=True, help="Several VMs may write to it at once.")
@click.option("--read-only", is_flag=True, help="Nobody may write to it.")
@click.option("--sm-config", type=PAIR, multiple=True, help="type=raw, image-format=qcow2. Repeatable.")
@click.option("--id", "id_", default="", metavar="UUID", help="Its UUID; default: a new one.")
@operation_options
@pass_session
def create(
    session: Session,
    sr: str,
    name: str,
    size: int,
    description: str,
    type_: str,
    sharable: bool,
    read_only: bool,
    sm_config: tuple[tuple[str, str], ...],
    id_: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Make a VDI, all zeros.

    \b
    xenhost vdi create local web1-root 10GiB
    """
    from xenhost.api.host.v1 import storage_pb2
    from xenhost.api.host.v1.vdi_service_pb2 import CreateVdiRequest

    vdi = storage_pb2.Vdi(
        id=id_,
        sr_id=sr,
        name=name,
        description=description,
        type=f"VDI_TYPE_{type_.upper()}",
        virtual_size_bytes=size,
        sharable=sharable,
        read_only=read_only,
        sm_config=dict(sm_config),
    )
    run(session, "CreateVdi", CreateVdiRequest(vdi=vdi, request_id=request_id), no_wait, "{name} is created, UUID {id}")


@click.command()
@click.argument("sr", shell_complete=complete_sr)
@click.argument("location")
@click.option("--name", default="", help="What to call it.")
@click.option("--description", default="", help="What it is for.")
@click.option("--sm-config", type=PAIR, multiple=True, help="KEY=VALUE. Repeatable.")
@click.option("--id", "id_", default="", metavar="UUID", help="Its UUID; default: a new one.")
@operation_options
@pass_session
def introduce(
    session: Session,
    sr: str,
    location: str,
    name: str,
    description: str,
    sm_config: tuple[tuple[str, str], ...],
    id_: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Take an existing file, volume or LUN of an SR on as a VDI."""
    from xenhost.api.host.v1.vdi_service_pb2 import IntroduceVdiRequest

    request = IntroduceVdiRequest(
        sr_id=sr,
        location=location,
        id=id_,
        name=name,
        description=description,
        sm_config=dict(sm_config),
        request_id=request_id,
    )
    run(session, "IntroduceVdi", request, no_wait, "{name} is known, UUID {id}")


@click.command()
@vdi_argument
@operation_options
@pass_session
def destroy(session: Session, vdi: str, no_wait: bool, request_id: str) -> None:
    """Delete a VDI and what it holds."""
    from xenhost.api.host.v1.vdi_service_pb2 import DestroyVdiRequest

    run(session, "DestroyVdi", DestroyVdiRequest(id=vdi, request_id=request_id), no_wait, "{name} is destroyed")


@click.command()
@vdi_argument
@request_id_option
@json_option
@pass_session
def forget(session: Session, vdi: str, request_id: str) -> None:
    """Forget a VDI; what is on the SR stays, and the next scan finds it again."""
    from xenhost.api.host.v1.vdi_service_pb2 import ForgetVdiRequest

    with session.client() as client:
        client.call(client.vdis.ForgetVdi, ForgetVdiRequest(id=vdi, request_id=request_id))
    session.say(f"{vdi} is forgotten; what it holds stays")


@click.command()
@vdi_argument
@click.option("--name", help="Another name.")
@click.option("--description", help="Another description.")
@click.option("--read-only/--writable", default=None, help="May anybody write to it?")
@click.option("--sharable/--exclusive", default=None, help="May several VMs write to it at once?")
@click.option("--on-boot", type=click.Choice(["persist", "reset"]), help="What a start of its VM does to it.")
@operation_options
@pass_session
def update(session: Session, vdi: str, no_wait: bool, request_id: str, **changes: Any) -> None:
    """Change a VDI: only what is given."""
    from xenhost.api.host.v1 import storage_pb2
    from xenhost.api.host.v1.vdi_service_pb2 import UpdateVdiRequest

    said = {field: value for field, value in changes.items() if value is not None}
    if not said:
        raise click.UsageError("nothing to change was given; see --help")
    if "on_boot" in said:
        said["on_boot"] = f"ON_BOOT_{said['on_boot'].upper()}"
    request = UpdateVdiRequest(vdi=storage_pb2.Vdi(id=vdi, **said), request_id=request_id)
    request.update_mask.paths.extend(sorted(said))
    run(session, "UpdateVdi", request, no_wait, "{name} is changed")


@click.command()
@vdi_argument
@click.argument("size", type=SIZE)
@operation_options
@pass_session
def resize(session: Session, vdi: str, size: int, no_wait: bool, request_id: str) -> None:
    """Make a VDI bigger: SIZE is its new size. A guest that uses it sees it grow."""
    from xenhost.api.host.v1.vdi_service_pb2 import ResizeVdiRequest

    request = ResizeVdiRequest(id=vdi, virtual_size_bytes=size, request_id=request_id)
    run(session, "ResizeVdi", request, no_wait, "{name} is bigger now")


def run(session: Session, method: str, request: Any, no_wait: bool, done: str) -> None:
    """Begin an operation of VdiService, see it through, and say what is true then."""
    from xenhost.agent.cli.waiting import carry_out

    with session.client() as client:
        carry_out(session, client, client.call(getattr(client.vdis, method), request), no_wait, done)
