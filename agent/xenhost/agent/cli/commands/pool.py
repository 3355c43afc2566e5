"""xenhost pool"""

from __future__ import annotations

import shutil
import subprocess
import time
import tomllib
import xmlrpc.client
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.output import write_out
from xenhost.agent.cli.pool_api import DEFAULT_SOCKET, PoolApi
from xenhost.agent.cli.session import Session, json_option
from xenhost.agent.cli.waiting import LOOK_SECONDS, progress_view
from xenhost.core.units import human_size
from xenhost.system.whole_file import replace_file

PAM_SERVICE: Final = "/etc/pam.d/xenhost"
PATIENCE: Final = 120.0
"""Seconds that both daemons have to come up."""
UNREACHABLE: Final = (OSError, xmlrpc.client.Error)
CONFIGURATION: Final = """
# By `xenhost pool create`: the pool master of this machine.
[master]
address = "unix:{link}"
endpoints = ["unix:{agent}"]
"""
host_argument = click.argument("host")


@click.group()
@click.option(
    "--api",
    envvar="XENHOST_POOL_API",
    default=DEFAULT_SOCKET,
    show_default=True,
    metavar="PATH",
    help="Unix socket of the pool master.",
)
@click.pass_context
def pool(ctx: click.Context, api: str) -> None:
    """The pool that this machine is the master of, through its Management API.

    As root on the master. A host is given by name or UUID.
    """
    ctx.meta[__name__] = api


def connected() -> PoolApi:
    """To the master that the group was told."""
    return PoolApi(click.get_current_context().meta[__name__])


@pool.command()
@click.option("--name", default="", help="Of the pool. Default: as it is called.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
@json_option
@pass_session
def create(session: Session, name: str, root: Path) -> None:
    """Make this host a pool of one: its own master, xenpoold, serves the Management API.

    Has the agent report to it, enables both daemons, and waits until the host is in the pool. VMs run on. What is so
    already is left as it is: it may be run again.
    """
    if _configured(root):
        session.say("the agent reports to the pool master of this machine")
    for words in (("enable", "--now", "xenpoold.service"), ("enable", "xenhostd.service")):
        _systemctl(*words)
    _systemctl("restart", "xenhostd.service")
    session.say("xenpoold and xenhostd are enabled; waiting for the host")
    api = PoolApi(str(root / DEFAULT_SOCKET.lstrip("/")))
    host = _first_host(api)
    (pool,) = api("pool.get_all")
    if name:
        api("pool.set_name_label", pool, name)
    record = api("host.get_record", host)
    shape = {"pool": api("pool.get_uuid", pool), "host": record["uuid"], "address": record["address"]}
    api.close()
    if not (root / PAM_SERVICE.lstrip("/")).exists():
        session.say(f"without {PAM_SERVICE} nobody logs in with a password: install packaging/pam.d/xenhost as that")
    if session.as_json:
        session.line(shape)
    session.say(f"{record['name_label']} is a pool of one; the API is at https://{record['address']}/")


@pool.command()
@json_option
@pass_session
def show(session: Session) -> None:
    """Show the pool and its hosts."""
    api = connected()
    ((_, record),) = api.asked("pool.get_all_records").items()
    hosts = _hosts(api)
    sr = record["default_SR"]
    shape = {
        "name": record["name_label"],
        "uuid": record["uuid"],
        "master": hosts[record["master"]]["name"] if record["master"] in hosts else "",
        "default_sr": api("SR.get_name_label", sr) if sr in api("SR.get_all") else "",
        "hosts": list(hosts.values()),
    }
    api.close()
    titles = (("Name", "name"), ("UUID", "uuid"), ("Master", "master"), ("Default SR", "default_sr"))
    session.one(shape, [(title, shape[key]) for title, key in titles])
    if not session.as_json:
        click.echo()
        _print(session, hosts)


@pool.command()
@json_option
@pass_session
def hosts(session: Session) -> None:
    """List the hosts of the pool."""
    api = connected()
    found = _hosts(api)
    api.close()
    _print(session, found)


@pool.command()
@click.argument("address")
@click.option("--user", default="root", show_default=True, help="Who may log in there.")
@click.option("--password-file", type=click.File(), help="Its first line; - is standard input. Default: asked.")
@click.option("--force", is_flag=True, help="Although CPUs and versions differ.")
@json_option
@pass_session
def join(session: Session, address: str, user: str, password_file: Any, force: bool) -> None:
    """Make this host a member of the pool whose master is at ADDRESS."""
    if password_file is None:
        password = click.prompt(f"Password of {user} at {address}", hide_input=True, err=True)
    else:
        password = password_file.readline().rstrip("\n")
    _done(session, f"this host is a member of the pool of {address}", "pool.join" + "_force" * force,
          address, user, password)  # fmt: skip


@pool.command()
@host_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_session
def eject(session: Session, host: str, yes: bool) -> None:
    """Take a host without running VMs out of the pool. What no other host has goes from the database."""
    if not yes:
        click.confirm(f"Take {host} out of the pool, with what no other host has?", abort=True, err=True)
    _done(session, f"{host} is out of the pool", "pool.eject", host=host)


@pool.command("designate-master")
@host_argument
@json_option
@pass_session
def designate_master(session: Session, host: str) -> None:
    """Make another host the pool's master; this one becomes its member. VMs run on, sessions end."""
    _done(session, f"{host} becomes the master", "pool.designate_new_master", host=host)


@pool.command()
@host_argument
@json_option
@pass_session
def enable(session: Session, host: str) -> None:
    """Let VMs start on a host again."""
    _done(session, f"{host} is enabled", "host.enable", host=host)


@pool.command()
@host_argument
@json_option
@pass_session
def disable(session: Session, host: str) -> None:
    """Let no more VMs start on a host. Those that are there run on."""
    _done(session, f"{host} is disabled", "host.disable", host=host)


@pool.command()
@host_argument
@json_option
@pass_session
def evacuate(session: Session, host: str) -> None:
    """Move all VMs of a host to others.

    Each guest stands still while its memory is written and read. If it is seen before that one cannot move,
    nothing does; after a failure those that have moved stay. Disable the host first, or VMs may start on it meanwhile.
    Ctrl-C: those under way go on where they were.
    """
    api = connected()
    _followed(session, api, api.asked("Async.host.evacuate", _named(api, host)), f"evacuating {host}")
    api.close()
    if session.as_json:
        session.line({"done": "host.evacuate"})
    session.say(f"{host} runs no VMs")


@pool.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--force", is_flag=True, help="Overwrite the file.")
def backup(file: str, force: bool) -> None:
    """Write the database of the pool into a file (- is standard output). It holds secrets."""
    api = connected()
    write_out(file, api.download("/pool/xmldbdump"), force, mode=0o600)
    api.close()


@pool.command()
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only see whether it can be used.")
@pass_session
def restore(session: Session, file: Any, dry_run: bool) -> None:
    """Begin with the database of a backup when xenpoold starts next."""
    api = connected()
    session.say(api.upload("/pool/xmldbdump", file.read(), dry_run=str(dry_run).lower()))
    api.close()


def _configured(root: Path) -> bool:
    """Whether the agent had to be told of the master. Raises Failure if it has another one."""
    sockets = {"link": root / "run/xenhost/xenpoold-link.sock", "agent": root / "run/xenhost/xenhostd.sock"}
    path = root / "etc/xenhost/xenhostd.toml"
    try:
        text = path.read_text() if path.exists() else ""
        master = tomllib.loads(text).get("master", {})
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}", ExitCode.FAILED) from None
    if not master:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, (text + CONFIGURATION.format_map(sockets)).encode(), 0o644)
        except OSError as error:
            raise Failure(f"{path} cannot be written: {error.strerror}", ExitCode.FAILED, "be root") from None
        return True
    if master.get("address") != f"unix:{sockets['link']}":
        text = f"this host reports to the pool master at {master.get('address')}, says {path}"
        raise Failure(text, ExitCode.REFUSED, "`xenhost pool eject` on that master first, then remove [master]")
    return False


def _systemctl(*words: str) -> None:
    program = shutil.which("systemctl")
    if program is None:
        raise Failure("there is no systemctl", ExitCode.FAILED, "start xenpoold and xenhostd as this system does it")
    done = subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    if done.returncode:
        hint = "docs/howto/run-on-a-dom0.md says where the units are"
        raise Failure(f"systemctl {' '.join(words)}: {done.stdout.strip()}", ExitCode.FAILED, hint)


def _first_host(api: PoolApi) -> str:
    """As soon as the agent has registered. Raises Failure."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(*UNREACHABLE):
            for host, record in api("host.get_all_records").items():
                if api("host_metrics.get_live", record["metrics"]):
                    return str(host)
        time.sleep(0.1)
    hint = "journalctl -u xenpoold -u xenhostd says more"
    raise Failure(f"the host is not in the pool after {PATIENCE:g} s", ExitCode.FAILED, hint)


def _done(session: Session, text: str, method: str, *params: str, host: str = "") -> None:
    """One call that changes something, and what is to be said then."""
    api = connected()
    api.asked(method, *([_named(api, host)] if host else []), *params)
    api.close()
    if session.as_json:
        session.line({"done": method})
    session.say(text)


def _followed(session: Session, api: PoolApi, task: str, what: str) -> None:
    """Wait for a task. Raises Failure if it failed, or was cancelled, as by Ctrl-C."""
    interrupted = False
    with progress_view(session) as view:
        while True:
            try:
                record = api.asked("task.get_record", task)
                if record["status"] not in ("pending", "cancelling"):
                    break
                of = len(record["subtasks"])
                view.show(what, f"{of} VMs so far" if of else "", float(record["progress"]))
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                view.remark("cancelling; press Ctrl-C again to leave it running")
                with suppress(Failure):  # it has just ended
                    api.asked("task.cancel", task)
    api.asked("task.destroy", task)
    if record["status"] != "success":
        raise Failure(f"{what}: {' '.join(record['error_info'])}", ExitCode.FAILED)


def _named(api: PoolApi, words: str) -> str:
    """The host of that name or UUID. Raises Failure."""
    found = [
        ref
        for ref, record in api.asked("host.get_all_records").items()
        if words in (record["uuid"], record["name_label"], record["hostname"])
    ]
    if len(found) != 1:
        text = f"several hosts are called {words}" if found else f"no host is called {words}"
        raise Failure(text, ExitCode.NOT_FOUND, "`xenhost pool hosts` shows them and their UUIDs")
    return str(found[0])


def _hosts(api: PoolApi) -> dict[str, dict[str, Any]]:
    metrics = api.asked("host_metrics.get_all_records")
    hosts = api.asked("host.get_all_records")
    return {ref: _shape(record, metrics.get(record["metrics"], {})) for ref, record in hosts.items()}


def _shape(record: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    state = "enabled" if record["enabled"] else "disabled"
    return {
        "name": record["name_label"],
        "address": record["address"],
        "state": state if metrics.get("live") else "lost",
        "memory_free": int(metrics.get("memory_free", 0)),
        "memory_total": int(metrics.get("memory_total", 0)),
        "vms": sum(vm != record["control_domain"] for vm in record["resident_VMs"]),
        "uuid": record["uuid"],
    }


def _print(session: Session, hosts: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [dict(row) for row in hosts.values()]
    if not session.as_json:
        for row in rows:
            row["memory"] = f"{human_size(row['memory_free'])} of {human_size(row['memory_total'])}"
    columns = [
        *(("name", "Host"), ("address", "Address"), ("state", "State"), ("memory", "Memory free"), ("vms", "VMs")),
        ("uuid", "UUID"),
    ]
    session.rows(rows, columns, "no hosts", optional=("uuid",))
