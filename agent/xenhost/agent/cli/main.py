"""Entry point of `xenhost`."""

import sys
from typing import Final

import click

from xenhost.agent.cli.failure import ExitCode
from xenhost.agent.cli.lazy import LazyGroup
from xenhost.agent.cli.session import Session
from xenhost.agent.cli.target import DEFAULT_SOCKET, Target
from xenhost.agent.version import VERSION

_COMMANDS: Final = "xenhost.agent.cli.commands"
_GROUPS: Final = {
    "host": (f"{_COMMANDS}.host:host", "The host, its domains, its management interface."),
    "vm": (f"{_COMMANDS}.vm:vm", "Create, start, stop and change VMs."),
    "vbd": (f"{_COMMANDS}.vbd:vbd", "Disks and CD drives of a VM."),
    "vif": (f"{_COMMANDS}.vif:vif", "Network cards of a VM."),
    "sr": (f"{_COMMANDS}.sr:sr", "Storage repositories."),
    "vdi": (f"{_COMMANDS}.vdi:vdi", "Virtual disk images."),
    "network": (f"{_COMMANDS}.network:network", "Networks of the host."),
    "pif": (f"{_COMMANDS}.pif:pif", "Physical interfaces, their addresses, and what acts as one."),
    "bond": (f"{_COMMANDS}.bond:bond", "Several network cards of the host as one."),
    "vlan": (f"{_COMMANDS}.vlan:vlan", "VLANs on network cards and bonds."),
    "tunnel": (f"{_COMMANDS}.tunnel:tunnel", "Networks stretched to other hosts, by GRE or VXLAN."),
    "pvs": (f"{_COMMANDS}.pvs:pvs", "Citrix Provisioning: sites, servers, proxies of VIFs."),
    "sdn": (f"{_COMMANDS}.sdn:sdn", "SDN controllers of Open vSwitch."),
    "sriov": (f"{_COMMANDS}.sriov:sriov", "Networks of virtual functions of a card."),
    "pool": (f"{_COMMANDS}.pool:pool", "The pool that this machine is the master of."),
    "metrics": (f"{_COMMANDS}.metrics:metrics", "What is measured: data sources, graphs, alerts."),
    "event": (f"{_COMMANDS}.event:event", "Follow what changes."),
    "operation": (f"{_COMMANDS}.operation:operation", "Long-running operations."),
    "try": (f"{_COMMANDS}.try_out:try_", "Serve the XenServer Management API over a simulated host."),
    "completion": (f"{_COMMANDS}.completion:completion", "Completion for your shell."),
}


@click.group(
    cls=LazyGroup,
    entries=_GROUPS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--socket",
    envvar="XENHOST_SOCKET",
    default=DEFAULT_SOCKET,
    show_default=True,
    type=click.Path(),
    help="Unix socket of the agent.",
)
@click.option("--address", envvar="XENHOST_ADDRESS", metavar="HOST:PORT", help="Agent of another host, over TLS.")
@click.option("--tls-cert", envvar="XENHOST_TLS_CERT", type=click.Path(), help="Our certificate (PEM).")
@click.option("--tls-key", envvar="XENHOST_TLS_KEY", type=click.Path(), help="Its key.")
@click.option("--tls-ca", envvar="XENHOST_TLS_CA", type=click.Path(), help="The CA that signs agents.")
@click.option(
    "--tls-server-name", envvar="XENHOST_TLS_SERVER_NAME", help="Name in the agent's certificate, if another."
)
@click.version_option(VERSION, prog_name="xenhost")
@click.pass_context
def cli(
    ctx: click.Context,
    socket: str,
    address: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    tls_ca: str | None,
    tls_server_name: str | None,
) -> None:
    """Manage the VMs, the storage and the networks of a Xen host through its agent, xenhostd.

    A VM, SR, VDI or network is given by name or UUID, a PIF as eth0, bond0 or eth0.5. Every command takes --json. See
    xenhost(1) for exit codes and examples.
    """
    ctx.obj = Session(Target(socket, address or "", tls_cert or "", tls_key or "", tls_ca or "", tls_server_name or ""))


def main() -> None:
    """Run the client."""
    # google.rpc imports pkg_resources if it is there and does without if not, which is what None stands for: 50 ms
    sys.modules.setdefault("pkg_resources", None)  # type: ignore[arg-type] # the documented way to make an import fail
    try:
        cli.main(prog_name="xenhost", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
