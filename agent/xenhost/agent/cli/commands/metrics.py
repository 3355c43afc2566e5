"""xenhost metrics"""

from __future__ import annotations

import time
from typing import Any, Final

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.commands.metrics_alerts import alerts, messages
from xenhost.agent.cli.commands.metrics_files import export, graph, import_, openmetrics, remove, save, updates
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.metrics_args import complete_owner, number, owner_of
from xenhost.agent.cli.session import Session, json_option

TOP_SECONDS: Final = 5.0
OWNER: Final = "OWNER"
"""`host`, `vm NAME` or `sr NAME`."""


@click.group()
def metrics() -> None:
    """What is measured: data sources of the host, its VMs and SRs, graphs, alerts.

    OWNER is `host`, `vm NAME` or `sr NAME`. VMs have data sources while they run, SRs while they are attached.
    """


for _command in (graph, export, import_, remove, save, updates, openmetrics, alerts, messages):
    metrics.add_command(_command)


@metrics.command("list")
@click.argument("words", nargs=-1, metavar=OWNER, shell_complete=complete_owner)
@json_option
@pass_session
def list_(session: Session, words: tuple[str, ...]) -> None:
    """List the data sources of an owner, and which of them are recorded."""
    rows = _sources(session, words, False)
    columns = [("name", "Name"), ("enabled", "Recorded"), ("units", "Unit"), ("description", "Description")]
    session.rows(rows, columns, "it has no data sources")


@metrics.command()
@click.argument("words", nargs=-1, metavar=OWNER, shell_complete=complete_owner)
@json_option
@pass_session
def show(session: Session, words: tuple[str, ...]) -> None:
    """Show the newest values of everything that is recorded of an owner."""
    rows = [row for row in _sources(session, words, True) if row["enabled"]]
    if not session.as_json:
        for row in rows:
            row["value"] = human(row["value"])
    session.rows(rows, [("name", "Name"), ("value", "Value"), ("units", "Unit")], "nothing of it is recorded")


@metrics.command()
@click.argument("words", nargs=-1, metavar=f"{OWNER} DATA_SOURCE", shell_complete=complete_owner)
@json_option
@pass_session
def query(session: Session, words: tuple[str, ...]) -> None:
    """Print the newest value of one data source; nan if it is not known."""
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, (name,) = owner_of(words, 1)
    with session.client() as client:
        request = metrics_service_pb2.QueryDataSourceRequest(owner=owner, name=name)
        value = client.call(client.metrics.QueryDataSource, request).value
    if session.as_json:
        session.line({"name": name, "value": number(value)})
    else:
        click.echo(f"{value:.15g}")


@metrics.command()
@click.argument("words", nargs=-1, metavar=f"{OWNER} DATA_SOURCE", shell_complete=complete_owner)
@json_option
@pass_session
def record(session: Session, words: tuple[str, ...]) -> None:
    """Record a data source from now on that is not recorded by itself."""
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, (name,) = owner_of(words, 1)
    with session.client() as client:
        client.call(
            client.metrics.RecordDataSource, metrics_service_pb2.RecordDataSourceRequest(owner=owner, name=name)
        )
    _done(session, name, "is recorded")


@metrics.command()
@click.argument("words", nargs=-1, metavar=f"{OWNER} DATA_SOURCE", shell_complete=complete_owner)
@json_option
@pass_session
def forget(session: Session, words: tuple[str, ...]) -> None:
    """Drop what was recorded of a data source; one that is recorded by itself begins anew."""
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, (name,) = owner_of(words, 1)
    request = metrics_service_pb2.ForgetDataSourceArchivesRequest(owner=owner, name=name)
    with session.client() as client:
        client.call(client.metrics.ForgetDataSourceArchives, request)
    _done(session, name, "is forgotten")


@metrics.command()
@json_option
@pass_session
def plugins(session: Session) -> None:
    """List the programs that bring data sources, and what is wrong with them."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        answer = client.call(client.metrics.ListPlugins, metrics_service_pb2.ListPluginsRequest())
    columns = [("name", "Name"), ("data_sources", "Data sources"), ("problem", "Problem")]
    session.rows([shape(each) for each in answer.plugins], columns, "there are no plugins")


@metrics.command()
@click.option("--once", is_flag=True, help="Print one table and end.")
@json_option
@pass_session
def top(session: Session, once: bool) -> None:
    """Watch what the host and its VMs use, every five seconds, until Ctrl-C."""
    from xenhost.agent.cli.metrics_top import top_rows

    columns = [
        ("name", "Name"), ("cpu", "CPU"), ("memory", "Memory"), ("free", "Free"),
        ("net_rx", "Receives"), ("net_tx", "Sends"), ("disk_read", "Reads"), ("disk_write", "Writes"),
    ]  # fmt: skip
    try:
        with session.client() as client:
            while True:
                rows = top_rows(client, session.as_json)
                if not once and not session.as_json:
                    click.clear()
                session.rows(rows, columns, "nothing is measured", optional=("free",))
                if once:
                    return
                time.sleep(TOP_SECONDS)
    except KeyboardInterrupt:
        raise Failure("interrupted", ExitCode.INTERRUPTED) from None


def human(value: float | None) -> str:
    """A number for people; nothing if it is not known."""
    if value is None:
        return ""
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"


def _sources(session: Session, words: tuple[str, ...], values: bool) -> list[dict[str, Any]]:
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import metrics_service_pb2

    owner, _ = owner_of(words, 0)
    with session.client() as client:
        request = metrics_service_pb2.ListDataSourcesRequest(owner=owner, with_values=values)
        found = client.call(client.metrics.ListDataSources, request).data_sources
    rows = []
    for each in found:
        row = shape(each)
        row["min"], row["max"] = number(each.min), number(each.max)
        row["value"] = number(each.value) if each.HasField("value") else None
        if not values:
            del row["value"]
        rows.append(row)
    return rows


def _done(session: Session, name: str, what: str) -> None:
    if session.as_json:
        session.line({"name": name})
    else:
        click.echo(f"{name} {what}")
