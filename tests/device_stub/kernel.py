"""Dom0's kernel and a guest, played on a stubbed xenstored: as much of blkback, netback and the frontends as is seen.

It handles one event after another as xenwatch does, really opens the block devices and makes tap interfaces in place of
netback's, so that loop devices and bridges are the real ones.
"""

import asyncio
import fcntl
import os
import struct
from dataclasses import dataclass, field

from xenhost.core.devices import DeviceClass
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.records import device_of
from xenhost.native.xenstore import Batch, Xenstore

MARKS = "/xenhost/mark"
_TUNSETIFF = 0x400454CA
_TAP = 0x0002 | 0x1000
_LOOP_MAJOR = 7

NEEDED = {
    DeviceClass.VBD: ("frontend", "frontend-id", "physical-device", "mode", "dev"),
    DeviceClass.VIF: ("frontend", "frontend-id", "handle", "mac", "hotplug-status"),
}
"""Without these the drivers do not connect."""

Place = tuple[DomId, DeviceClass, DevId]


@dataclass(slots=True)
class Manners:
    """How kernel and guest behave; tests change it."""

    takes: bool = True
    """The backend driver is there."""
    refusal: str = ""
    """What the backend driver says instead of taking a device."""
    connects: bool = True
    """The guest connects its frontends."""
    lets_go: bool = True
    """The guest closes a device when asked."""
    objection: str = ""
    """What the guest says instead."""


@dataclass(slots=True)
class FakeKernel:
    """Fulfils Settling."""

    address: str
    manners: Manners = field(default_factory=Manners)
    registered: dict[Place, int] = field(default_factory=dict)
    """Devices with a driver bound to them, and the file descriptor that stands for the device in use; -1 for none."""
    _opening: list[Place] = field(default_factory=list)
    _marks: dict[str, "asyncio.Future[None]"] = field(default_factory=dict)
    _xs: Xenstore | None = None
    _task: "asyncio.Task[None] | None" = None

    @property
    def xs(self) -> Xenstore:
        """Its own connection."""
        if self._xs is None:
            self._xs = Xenstore(self.address)
        return self._xs

    async def open(self) -> None:
        """See Settling."""
        await self.xs.connect()
        watching = asyncio.Event()
        self._task = asyncio.create_task(self._run(watching))
        await watching.wait()

    async def close(self) -> None:
        """See Settling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            await self.xs.close()
            if not self._task.cancelled() and self._task.exception() is not None:
                raise RuntimeError("the fake kernel crashed") from self._task.exception()
            self._task = None
        for fd in self.registered.values():
            if fd >= 0:
                os.close(fd)
        self.registered.clear()

    def mark(self, batch: Batch) -> "asyncio.Future[None]":
        """See Settling."""
        node = f"{MARKS}/{len(self._marks)}"
        batch.write(node, b"")
        self._marks[node] = asyncio.get_running_loop().create_future()
        return self._marks[node]

    async def _run(self, watching: asyncio.Event) -> None:
        async with self.xs.watch("/", limit=100_000) as watch:
            watching.set()
            async for event in watch:
                await self._handle(event.path)

    async def _handle(self, path: str) -> None:
        if path in self._marks:
            opening, self._opening = self._opening, []
            if not self._marks[path].done():
                self._marks[path].set_result(None)
            for each in opening:
                await self._open(each)
        elif place := device_of(path) or _frontend_of(path):
            await self._backend(place)
            await self._frontend(place)
        else:  # removal of something above
            for known in [
                each for each in self.registered if f"{paths.frontend(*_args(each))}/".startswith(f"{path}/")
            ]:
                await self._backend(known)

    async def _backend(self, place: Place) -> None:
        mine, theirs = paths.backend(*_args(place)), paths.frontend(*_args(place))
        state, online, guest = await self.xs.read_many([f"{mine}/state", f"{mine}/online", f"{theirs}/state"])
        needed = await self.xs.read_many([f"{mine}/{key}" for key in NEEDED[place[1]]])
        if place not in self.registered:
            if state == b"1" and self.manners.takes:
                self.registered[place] = -1
                await self.xs.write(f"{mine}/state", "2")
                if place[1] is DeviceClass.VIF:
                    self.registered[place] = _tap(f"vif{place[0]}.{place[2]}")
                else:
                    self._opening.append(place)
        elif state is None or guest is None:
            self._unregister(place)
        elif guest in (b"3", b"4") and state == b"2" and all(needed):
            await self.xs.write(f"{mine}/state", "4")
        elif guest == b"6":
            if state != b"6":
                await self.xs.write(f"{mine}/state", "6")
            if online == b"0":
                self._unregister(place)

    async def _open(self, place: Place) -> None:
        """What blkback does when its watch on physical-device fires."""
        mine = paths.backend(*_args(place))
        number = await self.xs.get_str(f"{mine}/physical-device")
        if place not in self.registered or number is None:
            return
        major, minor = (int(part, 16) for part in number.split(":"))
        device = f"/dev/loop{minor}" if major == _LOOP_MAJOR else f"/dev/block/{major}:{minor}"
        mode = os.O_RDWR if await self.xs.get(f"{mine}/mode") == b"w" else os.O_RDONLY
        try:
            if self.manners.refusal:
                raise OSError(self.manners.refusal)
            self.registered[place] = os.open(device, mode)
        except OSError as error:
            domid, cls, devid = place
            await self.xs.write(f"{paths.HOMES}/0/error/backend/{cls}/{domid}/{devid}/error", str(error))
            await self.xs.write(f"{mine}/state", "5")

    async def _frontend(self, place: Place) -> None:
        """The guest: it looks at its backend's state whenever anything changes."""
        mine, theirs = paths.backend(*_args(place)), paths.frontend(*_args(place))
        state, guest = await self.xs.read_many([f"{mine}/state", f"{theirs}/state"])
        if guest == b"1" and state == b"2" and self.manners.connects:
            await self.xs.write(f"{theirs}/state", "4")
        elif guest == b"4" and state == b"5":
            if self.manners.objection:
                error = paths.device_error(*_args(place))
                if await self.xs.get_str(error) != self.manners.objection:
                    await self.xs.write(error, self.manners.objection)
            elif self.manners.lets_go:
                await self.xs.write(f"{theirs}/state", "6")

    def _unregister(self, place: Place) -> None:
        fd = self.registered.pop(place)
        if fd >= 0:
            os.close(fd)


def _args(place: Place) -> tuple[DomId, str, DevId]:
    return place[0], place[1].value, place[2]


def _frontend_of(path: str) -> Place | None:
    match path.split("/"):
        case ["", "local", "domain", domid, "device", "vbd" | "vif" as kind, devid, *_]:
            return DomId(int(domid)), DeviceClass(kind), DevId(int(devid))
    return None


def _tap(name: str) -> int:
    """A tap interface that lives as long as its file descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP))
    return fd
