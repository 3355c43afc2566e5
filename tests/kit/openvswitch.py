"""An Open vSwitch of a test's own: its database and daemons in a directory, in the network of the calling thread.

Its switch is the one in user space (`netdev`); `KernelOvsDaemons` use the kernel's.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

_SCHEMA: Final = "/usr/share/openvswitch/vswitch.ovsschema"
_MANAGERS: Final = (
    "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
    "--private-key=db:Open_vSwitch,SSL,private_key",
    "--certificate=db:Open_vSwitch,SSL,certificate",
    "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
)
"""As ovs-ctl(8) starts it, but that it trusts no CA which it does not know."""
_DEADLINE: Final = 30.0


class OvsDaemons:
    """ovsdb-server and ovs-vswitchd."""

    def __init__(self, rundir: Path) -> None:
        self.rundir: Final = rundir
        self._environment = {**os.environ} | {
            name: str(rundir) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def datapath_type(self) -> str:
        """For bridges that shall work without the kernel module."""
        return "netdev"

    def start(self) -> None:
        """Both, with an empty database if there is none."""
        if not (self.rundir / "conf.db").exists():
            self.run("ovsdb-tool", "create", str(self.rundir / "conf.db"), _SCHEMA)
        self.start_database()
        self.run("ovs-vsctl", "--no-wait", f"--db=unix:{self.rundir}/db.sock", "init")
        self.start_switch()

    def start_database(self) -> None:
        """It answers when this returns."""
        socket = self.rundir / "db.sock"
        self._start("ovsdb-server", str(self.rundir / "conf.db"), f"--remote=punix:{socket}", *_MANAGERS)
        self._wait(socket)

    def start_switch(self) -> None:
        """It is on its way."""
        self._start("ovs-vswitchd", f"unix:{self.rundir}/db.sock")

    def kill(self, name: str) -> None:
        """With SIGKILL: `ovsdb-server` or `ovs-vswitchd`."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Both; what they made in the kernel goes."""
        for name in ("ovs-vswitchd", "ovsdb-server"):
            if (process := self._processes.pop(name, None)) is not None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def vsctl(self, *words: str) -> str:
        """What ovs-vsctl says."""
        return self.run("ovs-vsctl", "--timeout=20", f"--db=unix:{self.rundir}/db.sock", *words)

    def flows(self, bridge: str) -> str:
        """What ovs-ofctl says of a bridge's flows."""
        return self.run(
            "ovs-ofctl", "-O", "OpenFlow14", "--no-stats", "dump-flows", f"unix:{self.rundir}/{bridge}.mgmt"
        )

    def has_flows(self, bridge: str) -> bool:
        """Does it speak OpenFlow yet?"""
        try:
            return bool(self.flows(bridge))
        except subprocess.CalledProcessError:
            return False

    def run(self, *command: str) -> str:
        """A tool of Open vSwitch; its output. Raises CalledProcessError."""
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def log(self) -> str:
        """Of ovs-vswitchd."""
        return (self.rundir / "ovs-vswitchd.log").read_text()

    def _start(self, name: str, *arguments: str) -> None:
        self._processes[name] = subprocess.Popen(
            [
                name,
                *arguments,
                f"--pidfile={self.rundir}/{name}.pid",
                "-vconsole:off",
                f"--log-file={self.rundir}/{name}.log",
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _wait(self, path: Path) -> None:
        deadline = time.monotonic() + _DEADLINE
        while not path.exists():
            assert time.monotonic() < deadline, f"no {path}"
            time.sleep(0.01)


class KernelOvsDaemons(OvsDaemons):
    """The same with the switch of the kernel (module openvswitch)."""

    @property
    def datapath_type(self) -> str:
        """As on a real host."""
        return ""
