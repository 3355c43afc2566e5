"""One QEMU process that runs Xen and dom0, and never outlives this tool."""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bed.kernel import Kernel
from bed.monitor import Monitor
from bed.report import BedError
from bed.spec import MIB, Spec, Xenstored

QEMU = "qemu-system-x86_64"
# Every flag cost a failure to find (README, "Settings that matter"):
#   -xsave   with it, user space computes wrong results as soon as two domains share a CPU
#   -rdtscp  Xen cannot decode the emulator's RDTSCP intercept and kills PVH and HVM domains
#   -smap    a PV dom0 crashes early
CPU = "max,-smap,-rdtscp,-xsave"
AGENT_PORT = "agent"
SHARE_TAG = "host"
VIRTIO_NICS = 2
"""Of a bare machine; those after them are of the model e1000e."""
CARDS = 2
"""PCI cards of a machine with Xen for guests that are given one, in a segment of their own. Dom0 loads no driver for
them by itself."""
CARD_HUB = 99
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Wires:
    """Where the machine's NICs are plugged: all into one hub, or (with a peer) each into a cable of its own."""

    to_peer: bool = False
    ours: Path | None = None  # prefix of our datagram sockets, one a cable
    theirs: Path | None = None
    user: bool = False  # the first hub has QEMU's user network: 10.0.2.2 is the way to what this tool reaches


@dataclass(slots=True)
class Machine:
    """A machine to be started once. Files of it live in ``directory`` (short path: it holds unix sockets)."""

    spec: Spec
    kernel: Kernel
    directory: Path
    disks: Sequence[Path]  # qcow2: root disk first
    share: Path  # host directory offered over 9p
    serial_log: Path
    wires: Wires = field(default_factory=Wires)
    _process: subprocess.Popen[bytes] | None = None
    _stderr: IO[bytes] | None = None

    @property
    def agent_socket(self) -> Path:
        """The host end of the agent's port."""
        return self.directory / "agent"

    @property
    def monitor(self) -> Monitor:
        """QEMU's monitor."""
        return Monitor(self.directory / "qmp")

    def start(self, snapshot: str | None = None) -> None:
        """Start QEMU: from the named saved state, or cold."""
        self.directory.mkdir(parents=True, exist_ok=True)
        argv = [QEMU, *self._platform(), *self._boot(), *self.devices()]
        if snapshot:
            argv += ["-loadvm", snapshot]
        self._stderr = (self.directory / "qemu.log").open("wb")
        # a new session: the terminal's ctrl-C reaches the tool alone, which then ends QEMU
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._stderr,
            stderr=self._stderr,
            preexec_fn=die_with(os.getpid()),
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether QEMU still runs."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raise BedError with QEMU's own words if it has ended."""
        if not self.running:
            text = (self.directory / "qemu.log").read_text(errors="replace")[-2000:]
            raise BedError(f"QEMU ended: {text.strip() or 'the machine powered itself off'}")

    def stop(self, flush: bool = False) -> None:
        """End QEMU; no-op if it does not run. ``flush``: let it write out its disks first."""
        process, self._process = self._process, None
        if process is not None:
            if flush:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        if self._stderr is not None:
            self._stderr.close()

    def _platform(self) -> list[str]:
        spec = self.spec
        return [
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU),
            *([] if spec.bare else ["-device", "intel-iommu,intremap=on"]),  # before whatever is behind it
            *("-smp", str(spec.cpus), "-m", str(spec.memory // MIB)),
            *("-display", "none", "-vga", "none", "-nic", "none", "-no-reboot", "-nodefaults"),
            *("-serial", f"file:{self.serial_log}"),
            *("-qmp", f"unix:{self.directory / 'qmp'},server=on,wait=off"),
        ]

    def _boot(self) -> list[str]:
        spec = self.spec
        if spec.bare:
            linux = "console=ttyS0 quiet net.ifnames=0"
            return ["-kernel", str(self.kernel.vmlinux), "-append", linux, "-initrd", str(self.kernel.initrd)]
        dom0 = spec.dom0_memory // MIB
        xen = [
            *("console=com1", "com1=115200,8n1", "loglvl=warning", "guest_loglvl=warning"),
            # VT-d cannot read the page tables of guests on a processor that is AMD's
            *(f"dom0_mem={dom0}M,max:{dom0}M", f"dom0_max_vcpus={spec.cpus}", "iommu=no-sharept"),
        ]
        linux = "console=hvc0 quiet net.ifnames=0"
        if spec.xenstored is not Xenstored.C:
            linux += f" bed.xenstored={spec.xenstored}"
        return [
            *("-kernel", str(self.kernel.xen), "-append", " ".join(xen)),
            *("-initrd", f"{self.kernel.vmlinux} {linux},{self.kernel.initrd}"),
        ]

    def devices(self) -> list[str]:
        """QEMU's words for disks, the agent's port, the share and the network."""
        out: list[str] = []
        for disk in self.disks:
            out += ["-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe"]
        out += [
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={self.agent_socket},server=on,wait=off"),
            *("-device", f"virtserialport,chardev=agent,name={AGENT_PORT}"),
            "-virtfs",
            f"local,path={self.share},mount_tag={SHARE_TAG},security_model=none,id=share",
        ]
        for number in range(self.spec.nics):
            # a hub port: the saved state knows nothing of what the hub is wired to
            hub = number if self.wires.to_peer else 0
            out += ["-netdev", f"hubport,id=nic{number},hubid={hub}"]
            # a virtio card has no link to negotiate
            model = "e1000e,romfile=" if self.spec.bare and number >= VIRTIO_NICS else "virtio-net-pci"
            out += ["-device", f"{model},netdev=nic{number},mac=52:54:00:00:00:{number:02x}"]
            if self.wires.ours and self.wires.theirs:
                ours, theirs = f"{self.wires.ours}{number}", f"{self.wires.theirs}{number}"
                ends = f"local.type=unix,local.path={ours},remote.type=unix,remote.path={theirs}"
                out += ["-netdev", f"dgram,id=wire{number},{ends}"]
                out += ["-netdev", f"hubport,id=plug{number},hubid={hub},netdev=wire{number}"]
        if self.wires.user:
            out += ["-netdev", "user,id=user,ipv6=off", "-netdev", "hubport,id=world,hubid=0,netdev=user"]
        for number in range(0 if self.spec.bare else CARDS):
            out += ["-netdev", f"hubport,id=card{number},hubid={CARD_HUB}"]
            out += ["-device", f"e1000e,romfile=,netdev=card{number},mac=52:54:00:00:01:{number:02x}"]
        return out


def die_with(parent: int) -> Callable[[], None]:
    """What a child calls before it runs its program, so that the kernel kills it when the process ``parent`` ends."""

    def request() -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was gone before the request
            os._exit(1)

    return request
