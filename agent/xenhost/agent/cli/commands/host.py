"""xenhost host"""

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.commands.host_network import (
    management_confirm,
    management_reconfigure,
    reset_networking,
    set_igmp_snooping,
    set_switch,
)
from xenhost.agent.cli.session import Session, json_option
from xenhost.core.units import human_size


@click.group()
def host() -> None:
    """The host, its domains, its management interface."""


for _command in (management_reconfigure, management_confirm, reset_networking, set_switch, set_igmp_snooping):
    host.add_command(_command)


@host.command()
@json_option
@pass_session
def show(session: Session) -> None:
    """Show the host."""
    with session.client() as client:
        found = client.host()
    from xenhost.agent.cli.shapes import shape

    topology = f"{found.cores_per_socket} cores a socket, {found.threads_per_core} threads a core"
    session.one(
        shape(found),
        [
            ("name", found.name),
            ("id", found.id),
            ("hypervisor", f"{found.hypervisor} {found.hypervisor_version}"),
            ("kernel", found.kernel),
            ("agent", found.agent_version),
            ("CPUs", f"{found.cpus} at {found.cpu_khz // 1000} MHz; {topology}; {found.numa_nodes} NUMA nodes"),
            (
                "memory",
                f"{human_size(found.memory_free_bytes)} free of {human_size(found.memory_total_bytes)}",
            ),
            ("guests", list(found.hypervisor_capabilities)),
        ],
    )


@host.command()
@json_option
@pass_session
def domains(session: Session) -> None:
    """List every domain but dom0, those that xenhost did not start included."""
    with session.client() as client:
        found = client.domains()
    from xenhost.agent.cli.shapes import shape

    rows = [shape(domain) for domain in found]
    if not session.as_json:
        for row in rows:
            row["state"] = "dying" if row["dying"] else row["shutdown"] or ("paused" if row["paused"] else "running")
            row["memory"] = human_size(row["memory_bytes"])
            row["cpu"] = f"{row['cpu_time_ns'] / 1e9:.1f} s"
            row["owner"] = "xenhost" if row["managed"] else "other"
    columns = [
        ("domid", "Domain"),
        ("name", "Name"),
        ("type", "Type"),
        ("state", "State"),
        ("memory", "Memory"),
        ("vcpus_online", "vCPUs"),
        ("cpu", "CPU time"),
        ("owner", "Started by"),
        ("vm_id", "VM"),
    ]
    session.rows(rows, columns, "no domain but dom0 runs", optional=("vm_id", "cpu"))
