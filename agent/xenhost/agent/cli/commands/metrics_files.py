"""xenhost metrics graph, export, import, remove, save, updates, openmetrics: whole documents and pictures"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from xenhost.agent.cli.commands.common import complete_sr, complete_vm, pass_session
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.metrics_args import SPAN, complete_owner, owner_of
from xenhost.agent.cli.output import write_out
from xenhost.agent.cli.session import Session, json_option

PART: Final = 256 << 10
SECONDS: Final = 120.0
CFS: Final = ("average", "min", "max")
_FORCE = click.option("--force", is_flag=True, help="Overwrite the file.")
_AS_JSON = click.option("--format", "format_", type=click.Choice(("xml", "json")), default="xml", show_default=True)


@click.command()
@click.argument("words", nargs=-1, metavar="OWNER", shell_complete=complete_owner)
@click.option(
    "-o", "--output", default="", type=click.Path(dir_okay=False, allow_dash=True), help="PNG; default: NAME.png."
)
@click.option("--name", "names", multiple=True, help="Of a data source; repeatable. Default: the usual ones.")
@click.option("--last", type=SPAN, default="10m", show_default=True, metavar="SPAN", help="How far back: 2h, 7d.")
@click.option("--end", type=int, default=0, metavar="SECONDS", help="Since 1970; default: now.")
@click.option("--cf", type=click.Choice(CFS), default="average", help="Of what each dot is made.")
@click.option("--size", default="800x300", show_default=True, metavar="WxH", help="Of the plot, in pixels.")
@click.option("--title", default="", help="Default: the name.")
@_FORCE
@json_option
@pass_session
def graph(
    session: Session, words: tuple[str, ...], output: str, names: tuple[str, ...], last: int, end: int, cf: str,
    size: str, title: str, force: bool,
) -> None:  # fmt: skip
    """Draw data sources over time, as a PNG.

    \b
    xenhost metrics graph vm web1 -o web1.png
    xenhost metrics graph host --last 7d --name cpu_avg --name loadavg -o week.png
    """
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, _ = owner_of(words, 0)
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and len(size) < 12):
        raise click.UsageError("--size is written as 800x300")
    request = metrics_service_pb2.DrawGraphRequest(
        owner=owner, names=names, start=end - last if end else -last, end=end,
        cf=f"CONSOLIDATION_FUNCTION_{cf.upper()}", width=int(width), height=int(height), title=title,
    )  # fmt: skip
    file = output or f"{'-'.join(words).replace('/', '_')}.png"
    with session.client() as client:
        stream = client.received(client.metrics.DrawGraph(request, timeout=SECONDS))
        size_written = write_out(file, (part.data for part in stream), force)
    _said(session, file, size_written, f"{' '.join(words)} is drawn to {file}")


@click.command()
@click.argument("words", nargs=-1, metavar="OWNER FILE", shell_complete=complete_owner)
@_AS_JSON
@click.option("--internal", is_flag=True, help="With what an archive or another host needs.")
@_FORCE
@json_option
@pass_session
def export(session: Session, words: tuple[str, ...], format_: str, internal: bool, force: bool) -> None:
    """Write the whole database of an owner to FILE (- is standard output), as XenServer's clients read it.

    Also of a VM that is halted.
    """
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, (file,) = owner_of(words, 1)
    request = metrics_service_pb2.GetRrdRequest(owner=owner, format=f"RRD_FORMAT_{format_.upper()}", internal=internal)
    with session.client() as client:
        stream = client.received(client.metrics.GetRrd(request, timeout=SECONDS))
        written = write_out(file, (part.data for part in stream), force)
    _said(session, file, written, f"{' '.join(words[:-1])} is exported to {file}")


@click.command("import")
@click.argument("words", nargs=-1, metavar="OWNER FILE", shell_complete=complete_owner)
@json_option
@pass_session
def import_(session: Session, words: tuple[str, ...]) -> None:
    """Replace the database of a VM or SR by FILE (- is standard input): an export, also XenServer's, gzipped or not."""
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, (file,) = owner_of(words, 1)
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}", ExitCode.USAGE) from None

    def requests() -> Iterator[Any]:
        yield metrics_service_pb2.PutRrdRequest(owner=owner)
        for start in range(0, len(data), PART):
            yield metrics_service_pb2.PutRrdRequest(data=data[start : start + PART])

    with session.client() as client:
        client.sent(client.metrics.PutRrd, requests())
    _said(session, file, len(data), f"{' '.join(words[:-1])} has what is in {file}")


@click.command()
@click.argument("words", nargs=-1, metavar="OWNER", shell_complete=complete_owner)
@json_option
@pass_session
def remove(session: Session, words: tuple[str, ...]) -> None:
    """Delete the database of a VM that is gone, or of an SR."""
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, _ = owner_of(words, 0)
    with session.client() as client:
        client.call(client.metrics.DeleteRrd, metrics_service_pb2.DeleteRrdRequest(owner=owner))
    session.say(f"the database of {' '.join(words)} is removed")


@click.command()
@json_option
@pass_session
def save(session: Session) -> None:
    """Write all databases to disk now; it is done once a minute anyway."""
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        client.call(client.metrics.SaveRrds, metrics_service_pb2.SaveRrdsRequest(), SECONDS)
    session.say("all databases are on disk")


@click.command()
@click.option("--last", type=SPAN, default="10m", show_default=True, metavar="SPAN", help="How far back: 2h, 7d.")
@click.option("--interval", type=SPAN, default="5", metavar="SPAN", help="Of a row at least: 1m, 1h, 1d.")
@click.option("--cf", type=click.Choice(CFS), default=None, help="Default: all.")
@click.option("--host/--no-host", default=True, help="With the host.")
@click.option("--vm", "vms", multiple=True, shell_complete=complete_vm, help="UUID; repeatable. Default: all VMs.")
@click.option("--sr", "srs", multiple=True, shell_complete=complete_sr, help="UUID, or all; repeatable. Default: none.")
@_AS_JSON
@pass_session
def updates(
    session: Session, last: int, interval: int, cf: str | None, host: bool, vms: tuple[str, ...], srs: tuple[str, ...],
    format_: str,
) -> None:  # fmt: skip
    """Print many data sources over a span of time: what /rrd_updates answers."""
    from xenhost.api.host.v1 import metrics_service_pb2

    request = metrics_service_pb2.GetUpdatesRequest(
        start=-last, interval=interval, host=host, format=f"RRD_FORMAT_{format_.upper()}",
        cf=f"CONSOLIDATION_FUNCTION_{cf.upper() if cf else 'UNSPECIFIED'}",
        all_vms=not vms, vm_ids=vms, all_srs="all" in srs, sr_ids=[each for each in srs if each != "all"],
    )  # fmt: skip
    with session.client() as client:
        write_out(
            "-", (part.data for part in client.received(client.metrics.GetUpdates(request, timeout=SECONDS))), True
        )


@click.command()
@pass_session
def openmetrics(session: Session) -> None:
    """Print the newest values of everything as OpenMetrics text, as Prometheus reads it."""
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        stream = client.metrics.GetOpenMetrics(metrics_service_pb2.GetOpenMetricsRequest(), timeout=SECONDS)
        write_out("-", (part.data for part in client.received(stream)), True)


def _said(session: Session, file: str, size: int, text: str) -> None:
    if file == "-":
        return
    if session.as_json:
        session.line({"file": file, "bytes": size})
    else:
        click.echo(text)
