"""What tests of VDIs on real Xen share: an agent in this process, SRs and VDIs on it, and a shell in a guest."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from xen.xen_host import run, tty_of
from xenhost.agent.config import Places, read_config
from xenhost.agent.host import Host
from xenhost.agent.identity import Identity
from xenhost.agent.main import build_host
from xenhost.core.devices import IoLimits, Source, SourceKind, Vbd
from xenhost.core.ids import DomId, VmId, parse_device
from xenhost.core.requests import Request, ShutdownVm
from xenhost.core.storage import AttachMode, NewVdi, SrId, SrSpec, VdiId
from xenhost.core.storage_requests import CreateSr, CreateVdi, DetachSr, StorageRequest
from xenhost.core.units import MIB
from xenhost.core.views import Operation, OperationState
from xenhost.core.vm import DirectBoot, Memory, PowerState, VmSpec, VmType
from xenhost.system.clock import SystemClock

_END: Final = re.compile(rb"XEND:(\d+)")


class VdiHost:
    """An agent on real Xen, without its gRPC edge."""

    def __init__(self, folder: Path, guests: Path) -> None:
        self.folder: Final = folder
        self.guests: Final = guests
        self.host = self._built()

    async def open(self) -> None:
        """As the daemon does it."""
        await self.host.hypervisor.open()
        await self.host.open_network()
        await self.host.open_storage()
        await self.host.engine.start()

    async def restart(self) -> None:
        """Another agent takes over."""
        await self.host.close()
        self.host = self._built()
        await self.open()

    def _built(self) -> Host:
        config = read_config(Places(self.folder), None, "xen")
        for each in (config.places.run_dir, config.places.log_dir):
            each.mkdir(parents=True, exist_ok=True)
        return build_host(config, Identity.read(config.places.state_dir), SystemClock())

    async def do(self, request: Request) -> Operation:
        """See an operation on a VM succeed."""
        return await self._succeeded(await self.host.engine.submit(request))

    async def store(self, request: StorageRequest) -> Operation:
        """See one on an SR or a VDI succeed."""
        return await self._succeeded(await self.host.storage.submit(request))

    async def _succeeded(self, begun: Operation) -> Operation:
        ended = await self.host.engine.wait(begun.id, 400)
        assert ended.state is OperationState.SUCCEEDED, ended
        return ended

    async def sr(self, kind: str, **device_config: str) -> SrId:
        """A new SR."""
        sr = SrSpec(SrId(str(uuid4())), kind, device_config, name=kind)
        await self.store(CreateSr(sr))
        return sr.id

    async def vdi(self, sr: SrId, size: int = 64 * MIB, **sm_config: str) -> VdiId:
        """A new VDI."""
        vdi = VdiId(str(uuid4()))
        await self.store(CreateVdi(sr, NewVdi(vdi, size, name="disk", sm_config=sm_config)))
        return vdi

    async def content(self, vdi: VdiId) -> bytes:
        """The first MiB of a VDI."""
        async with self.host.storage.open_for_transfer(vdi, AttachMode.RO) as backend:
            copy = self.folder / "content"
            await run("qemu-img", "dd", "-U", "-f", "raw", "-O", "raw", "bs=1M", "count=1",
                      f"if={backend.uri()}", f"of={copy}")  # fmt: skip
            return copy.read_bytes()

    async def fill(self, vdi: VdiId, image: Path) -> None:
        """Write a raw image into a VDI."""
        async with self.host.storage.open_for_transfer(vdi, AttachMode.RW) as backend:
            await run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", str(image), backend.uri())

    def pv(self, *vbds: Vbd, cmdline: str = "console=hvc0 quiet") -> VmSpec:
        """A small Linux guest."""
        memory = Memory(128 * MIB, 128 * MIB, 128 * MIB)
        boot = DirectBoot(str(self.guests / "vmlinux"), str(self.guests / "initrd.gz"), cmdline)
        vm = VmId(str(uuid4()))
        return VmSpec(vm, f"vm-{vm[:8]}", VmType.PV, boot, memory, vbds=vbds)

    def domid(self, vm: VmId) -> DomId:
        """Of a running VM."""
        domid = self.host.engine.vm(vm).status.domid
        assert domid is not None
        return domid

    async def shell(self, vm: VmId) -> "Shell":
        """The console of a guest that is up."""
        shell = Shell(await tty_of(self.host.hypervisor, self.domid(vm)))
        await shell.heard(re.compile(rb"GUESTUP"), 240)
        return shell


class Shell:
    """The shell on a guest's console."""

    def __init__(self, tty: str) -> None:
        self._fd: Final = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    async def run(self, command: str, within: float = 180) -> str:
        """What a command says. It must succeed."""
        os.write(self._fd, f'{command}\necho "X"END:$?\n'.encode())
        said, match = await self.heard(_END, within)
        assert match[1] == b"0", said
        return said.decode(errors="replace")

    async def heard(self, wanted: re.Pattern[bytes], within: float) -> tuple[bytes, re.Match[bytes]]:
        """What was said up to the wanted words."""
        try:
            async with asyncio.timeout(within):
                while (match := wanted.search(self._said)) is None:
                    try:
                        self._said += os.read(self._fd, 65536)
                    except BlockingIOError:
                        await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{wanted.pattern!r} did not come; the guest said {self._said[-1000:]!r}") from None
        said, self._said = self._said[: match.end()], self._said[match.end() :]
        return said, match


def disk(vdi: VdiId, device: str = "xvda", limits: IoLimits | None = None) -> Vbd:
    """A VBD that a VDI backs."""
    return Vbd(parse_device(device)[0], Source(SourceKind.VDI, vdi), limits=limits or IoLimits())


@asynccontextmanager
async def alone(guests: Path) -> AsyncIterator[VdiHost]:
    """An agent on a host on which nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="xh-"))  # a short name: the kernel bounds those of sockets
    try:
        host = VdiHost(folder, guests)
        try:
            await host.open()
            try:
                yield host
            finally:
                await cleared(host)
                await run("losetup", "-D")
        finally:
            await host.host.close()
        assert await run("sh", "-c", "pgrep -r D,R,S -a qemu-storage || true") == ""
        assert await run("sh", "-c", "lsblk -nro NAME,SIZE | grep ^nbd | grep -v ' 0B' || true") == ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def cleared(host: VdiHost) -> None:
    """No VM runs any more, and no SR is attached."""
    for view in host.host.engine.vms():
        if view.status.power_state is not PowerState.HALTED:
            await host.do(ShutdownVm(view.spec.id, hard=True))
    assert [each for each in host.host.storage.datapaths() if each.startswith("vbd/")] == []
    for sr in host.host.storage.srs():
        if sr.attached:
            await host.store(DetachSr(sr.spec.id))
