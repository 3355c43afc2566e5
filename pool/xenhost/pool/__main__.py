"""`xenpoold`: the command line of the pool master."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import sys
from pathlib import Path
from typing import Final

import click
import structlog

from xenhost.api.tls_files import TlsFiles
from xenhost.core.config_error import ConfigError
from xenhost.pool.daemon import serve
from xenhost.pool.database.port import StoreFailed
from xenhost.pool.front import FrontSettings
from xenhost.pool.master import MasterSettings
from xenhost.pool.session.authenticator import Authenticator, FixedUsers
from xenhost.pool.session.pam import Pam
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, CannotListen, ListenSettings
from xenhost.system.clock import SystemClock
from xenhost.system.lifecycle import AlreadyRunning, StopSignals, single_instance
from xenhost.system.logging import LogFormat, LogLevel, set_up_logging
from xenhost.system.notify import Notifier

VERSION: Final = "0.1.0"
EXIT_FAILED: Final = 1
EXIT_RUNNING: Final = 75


class AddressType(click.ParamType):
    """ADDRESS:PORT; [ADDRESS]:PORT for IPv6."""

    name = "ADDRESS:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """A numeric address and a port."""
        host, _, port = str(value).rpartition(":")
        try:
            number = int(port)
            found = Address(str(ipaddress.ip_address(host.strip("[]"))), number)
        except ValueError:
            self.fail(f"{value} is no address with a port, such as 127.0.0.1:8080 or [::1]:8080", param, ctx)
        if not 0 <= number <= 65535:
            self.fail(f"{number} is no port", param, ctx)
        return found


@click.command()
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), help="Keep everything below this directory."
)
@click.option("--http", type=AddressType(), multiple=True, help="Serve the API without TLS here; may be repeated.")
@click.option("--https", type=AddressType(), multiple=True, help="Serve the API with TLS here; may be repeated.")
@click.option(
    "--socket",
    "sockets",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Serve the API to root on this unix socket, too; may be repeated.",
)
@click.option(
    "--agents",
    type=AddressType(),
    multiple=True,
    help="Let agents of other hosts report here, with TLS; may be repeated. Certificates: those of this host's agent.",
)
@click.option("--https-only", is_flag=True, help="Answer plain HTTP with nothing but where HTTPS is.")
@click.option("--user", default="", help="Instead of the system's users, one user; the password is read from stdin.")
@click.option("--log-level", type=click.Choice([str(level) for level in LogLevel]), default="info", show_default=True)
@click.version_option(VERSION, prog_name="xenpoold")
def main(
    root: Path,
    http: tuple[Address, ...],
    https: tuple[Address, ...],
    sockets: tuple[Path, ...],
    agents: tuple[Address, ...],
    https_only: bool,
    user: str,
    log_level: str,
) -> None:
    """Pool master of xenhost: serves the XenServer Management API over the agents of a pool's hosts.

    Exit status: 0 stopped as asked, 1 failed, 2 wrong usage, 75 another instance runs.
    """
    set_up_logging("xenpoold", LogLevel(log_level), LogFormat.AUTO, sys.stderr)
    users: Authenticator = Pam(frozenset({"root"}))
    everybody: Authenticator = Pam(None)
    if user:
        users = everybody = FixedUsers({user: sys.stdin.readline().rstrip("\n")})
    state, run, tls = root / "var/lib/xenhost/pool", root / "run/xenhost", root / "etc/xenhost/tls"
    settings = MasterSettings(
        state_dir=state,
        link=f"unix:{run}/xenpoold-link.sock",
        agents=tuple(
            f"[{each.host}]:{each.port}" if ":" in each.host else f"{each.host}:{each.port}" for each in agents
        ),
        tls=TlsFiles(tls / "agent.crt", tls / "agent.key", tls / "ca.crt"),
        front=FrontSettings(
            listen=ListenSettings(
                http, https, (run / "xapi", *sockets), root / "etc/xenhost/pool-tls", https_only=https_only
            ),
            audit=root / "var/log/xenhost/audit.log",
            version=VERSION,
            sessions=SessionLimits(),
        ),
    )
    for folder in (state, run, settings.front.audit.parent, settings.front.listen.tls_folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with single_instance(state, "xenpoold"):
            asyncio.run(_run(settings, users, everybody))
    except AlreadyRunning as error:
        raise SystemExit(_fail(EXIT_RUNNING, str(error))) from None
    except (StoreFailed, CannotListen, ConfigError, OSError) as error:
        raise SystemExit(_fail(EXIT_FAILED, str(error))) from None


async def _run(settings: MasterSettings, users: Authenticator, everybody: Authenticator) -> None:
    log = structlog.get_logger("xenpoold")
    stop, clock, notifier = StopSignals(log), SystemClock(), Notifier.from_environment(os.environ)
    stop.install()

    def ready(status: str) -> None:
        gc.freeze()  # the records stay: looking through them for garbage would stop everybody for a moment
        notifier.ready(status)

    serving = asyncio.create_task(serve(settings, users, everybody, clock, ready))
    stopping = asyncio.create_task(stop.asked())
    watchdog = asyncio.create_task(notifier.watchdog(clock))
    await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    notifier.stopping()
    watchdog.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    log.info("stopped")


def _fail(status: int, text: str) -> int:
    click.echo(f"xenpoold: {text}", err=True)
    return status


if __name__ == "__main__":
    main()
