"""One domain of the simulated host and its devices, as records."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.vm import Domain, ShutdownReason, VmType


@dataclass(slots=True)
class SimDevice:
    """A plugged device."""

    cls: DeviceClass
    devid: DevId
    state: DeviceState = DeviceState.ATTACHING
    ready: bool = False
    """False: a plug was cut short; the device is not plugged, but something is left of it."""
    source: Source | None = None
    writable: bool = False
    removable: bool = False
    loop: int | None = None
    """Number of the loop device in use."""
    bridge: str = ""
    mac: str = ""
    locking: str = ""
    function: str = ""

    def status(self) -> DeviceStatus:
        """As the port shows it."""
        return DeviceStatus(self.cls, self.devid, self.state, self.source, self.function)


@dataclass(slots=True)
class GuestManners:
    """How the guest behaves; changed through `world.guest(domid)`."""

    pv_drivers: bool = True
    acknowledges: bool = True
    """It answers requests to shut down."""
    stops: bool = True
    """It then does stop."""
    lets_go: bool = True
    """It answers requests to release a device."""
    refusal: str = ""
    """What it answers those with, if it refuses."""
    connects: bool = True
    """It connects the frontends of its devices."""
    tells: dict[str, str] = field(default_factory=dict)
    """What it writes of itself besides the usual: nodes of `core.guest_metrics.GuestData`."""


@dataclass(slots=True)
class SimDomain:
    """A domain. Sizes in bytes."""

    domid: DomId
    vm: VmId
    type: VmType
    name: str
    managed: bool = True
    in_xen: bool = True
    """False: Xen has forgotten it, but a teardown that was cut short left devices of it."""
    built: bool = False
    spoiled: bool = False
    """Its build began and did not end."""
    paused: bool = True
    dying: bool = False
    shutdown: ShutdownReason | None = None
    stopping: ShutdownReason | None = None
    """The guest has acknowledged a request, and is on its way."""
    emulator: bool = False
    claimed: int = 0
    """Host memory it holds, overhead included."""
    memory: int = 0
    memory_max: int = 0
    memory_target: int = 0
    vcpus_online: int = 0
    vcpus_max: int = 1
    vcpus_target: int = 1
    weight: int = 256
    cap: int = 0
    affinity: tuple[tuple[int, ...], ...] = ()
    xenstore_data: dict[str, str] = field(default_factory=dict)
    cpu_time_ns: int = 0
    running_since: float | None = None
    devices: dict[tuple[DeviceClass, DevId], SimDevice] = field(default_factory=dict)
    manners: GuestManners = field(default_factory=GuestManners)

    @property
    def runs(self) -> bool:
        """The guest executes instructions, and so may answer."""
        return self.in_xen and self.built and not self.paused and not self.dying and self.shutdown is None

    def view(self, now: float) -> Domain:
        """As the port shows it. An idle guest uses one percent of a CPU."""
        running = 0.0 if self.running_since is None else max(0.0, now - self.running_since)
        return Domain(
            domid=self.domid,
            vm=self.vm,
            type=self.type,
            paused=self.paused,
            dying=self.dying,
            shutdown=self.shutdown,
            memory=self.memory,
            memory_max=self.memory_max,
            vcpus_online=self.vcpus_online,
            vcpus_max=self.vcpus_max,
            cpu_time_ns=self.cpu_time_ns + int(running * 1e7),
            managed=self.managed,
            built=self.built,
            name=self.name,
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        record = asdict(self)
        record["devices"] = [asdict(device) for device in self.devices.values()]
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError if the record is damaged."""
        devices = [_device(each) for each in record.pop("devices")]
        return cls(
            **record
            | {
                "type": VmType(record["type"]),
                "shutdown": _reason(record["shutdown"]),
                "stopping": _reason(record["stopping"]),
                "affinity": tuple(tuple(cpus) for cpus in record["affinity"]),
                "manners": GuestManners(**record["manners"]),
                "devices": {(device.cls, device.devid): device for device in devices},
            }
        )


def _reason(text: str | None) -> ShutdownReason | None:
    return None if text is None else ShutdownReason(text)


def _device(record: dict[str, Any]) -> SimDevice:
    source = record["source"]
    return SimDevice(
        **record
        | {
            "cls": DeviceClass(record["cls"]),
            "state": DeviceState(record["state"]),
            "source": None if source is None else Source(**source | {"kind": SourceKind(source["kind"])}),
        }
    )
