"""xenhost vdi import, xenhost vdi export"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import complete_sr, complete_vdi, pass_session, vdi_argument
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.parse import PAIR, SIZE
from xenhost.agent.cli.session import Session, json_option

FORMATS = ("raw", "vhd", "qcow2")
_FORMAT = click.option(
    "--format", "format_", type=click.Choice(FORMATS), help="Default: by the end of the file's name."
)


@click.command("import")
@click.argument("sr", shell_complete=complete_sr)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@_FORMAT
@click.option("--name", default="", help="What to call it; default: as the file.")
@click.option("--description", default="", help="What it is for.")
@click.option("--size", type=SIZE, default=0, help="Of the VDI; needed for a raw image from standard input.")
@click.option("--sm-config", type=PAIR, multiple=True, help="type=raw, image-format=qcow2. Repeatable.")
@click.option("--id", "id_", default="", metavar="UUID", help="Its UUID; default: a new one.")
@json_option
@pass_session
def import_(
    session: Session,
    sr: str,
    file: str,
    format_: str | None,
    name: str,
    description: str,
    size: int,
    sm_config: tuple[tuple[str, str], ...],
    id_: str,
) -> None:
    """Make a VDI of an image in a FILE, or on standard input (-). Interrupted, it leaves no VDI.

    \b
    xenhost vdi import local web1.qcow2
    zcat disk.gz | xenhost vdi import local - --format raw --size 10GiB --name web1-root
    """
    from xenhost.agent.cli.image_file import Source, format_of, stem_of
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2

    format_ = format_ or format_of(file)
    vdi = storage_pb2.Vdi(
        id=id_, sr_id=sr, name=name or stem_of(file), description=description, sm_config=dict(sm_config)
    )
    with Source(file, session.as_json) as source, session.client() as client:
        vdi.virtual_size_bytes = size or (source.length if format_ == "raw" else 0)
        if format_ == "raw" and not vdi.virtual_size_bytes:
            raise click.UsageError("the size of a raw image on standard input is not known: say --size 10GiB")
        spec = vdi_service_pb2.ImportVdiSpec(
            vdi=vdi, format=f"IMAGE_FORMAT_{format_.upper()}", image_bytes=source.length
        )
        try:
            made = _received(lambda: client.sent(client.vdis.ImportVdi, source.messages(spec)), "no VDI was made")
        except Failure:
            if source.problem:
                raise Failure(f"cannot read {file}: {source.problem}", ExitCode.FAILED) from None
            raise
    if session.as_json:
        session.line(shape(made))
    else:
        click.echo(f"{made.name or made.id} is imported, UUID {made.id}")


@click.command()
@vdi_argument
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@_FORMAT
@click.option(
    "--base", default="", shell_complete=complete_vdi, help="Only what differs from this older snapshot of it."
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@json_option
@pass_session
def export(session: Session, vdi: str, file: str, format_: str | None, base: str, force: bool) -> None:
    """Write the content of a VDI to a FILE, or to standard output (-), as an image.

    The file appears when it is whole; interrupted, nothing is left.

    \b
    xenhost vdi export web1-root web1.qcow2
    xenhost vdi export web1-root - --format raw | zstd > web1.raw.zst
    """
    from xenhost.agent.cli.image_file import Sink, format_of
    from xenhost.api.host.v1 import vdi_service_pb2

    format_ = format_ or format_of(file)
    request = vdi_service_pb2.ExportVdiRequest(id=vdi, format=f"IMAGE_FORMAT_{format_.upper()}", base_id=base)
    with session.client() as client, Sink(file, force, session.as_json) as sink:
        _received(lambda: sink.take(client.received(client.vdis.ExportVdi(request))), "nothing was written")
    if file != "-":
        if session.as_json:
            session.line({"file": file, "format": format_, "bytes": sink.written})
        else:
            click.echo(f"{vdi} is exported to {file}")


def _received(work: Any, left: str) -> Any:
    """What the work answers; Ctrl-C is a Failure that says what is left."""
    try:
        return work()
    except KeyboardInterrupt:
        raise Failure(f"interrupted; {left}", ExitCode.INTERRUPTED) from None
