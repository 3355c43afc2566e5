"""What stands in xenstore for a domain: the trees, as batches. Pure.

The home is as tight as libxl makes it: the guest reads all of it and writes only the nodes that `paths.Writable` lists.
Nodes inherit the permissions of their parent, so that few need to be set.

Protocol source: xen/docs/misc/xenstore-paths.pandoc; libxl's libxl_create.c for what Debian's tools expect.
"""

from collections.abc import Sequence
from typing import Final

from xenhost.core.ids import DomId, VmId
from xenhost.core.memory import plan_memory, video_bytes
from xenhost.core.units import kib
from xenhost.core.vm import VmSpec, VmType
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.record import PRIVATE, Stage
from xenhost.native.xenstore import Access, Batch, Perm

BACKEND_KINDS: Final = ("vbd", "vif", "console", "vfb", "vkbd", "qdisk")
"""Classes of backends that may serve a domain of ours."""
_CONSOLE_LIMIT: Final = 1 << 20
"""Bytes of console output that xenconsoled keeps while nobody reads."""


def guest_reads(domid: DomId) -> Sequence[Perm]:
    """Owned by dom0, readable by the guest."""
    return Perm(0, Access.NONE), Perm(domid, Access.READ)


def guest_writes(domid: DomId) -> Sequence[Perm]:
    """Owned by the guest, and by nobody else to be read but dom0."""
    return (Perm(domid, Access.NONE),)


def new_home(domid: DomId, vm: VmSpec) -> Batch:
    """The least a domain needs before devices can be plugged; at its end the record says that it is complete.

    The domain must exist: xenstored drops permissions for those that Xen does not know.
    """
    home, own = paths.home(domid), paths.vm(vm.id)
    readable = guest_reads(domid)
    batch = Batch().rm(home).mkdir(home).set_perms(home, readable)
    batch.rm(own).mkdir(own).set_perms(own, readable)
    batch.write(f"{own}/uuid", vm.id).write(f"{own}/name", vm.name)
    batch.write(f"{home}/vm", own).write(f"{home}/name", vm.name).write(f"{home}/domid", str(domid))
    libxl = paths.libxl(domid)
    batch.rm(libxl).mkdir(libxl).set_perms(libxl, PRIVATE).write(f"{libxl}/type", vm.type)
    for name in ("cpu", "memory", "control", "device"):
        batch.mkdir(f"{home}/{name}")
    if vm.type is VmType.HVM:
        batch.mkdir(paths.device_model(domid))
    return batch.write(paths.record_stage(domid), Stage.CREATED)


def guest_tree(domid: DomId, vm: VmSpec) -> Batch:
    """The rest of the home that does not depend on the build, written while the domain is built."""
    home = paths.home(domid)
    batch = Batch()
    writable = guest_writes(domid)
    for node in paths.Writable:
        batch.mkdir(f"{home}/{node}").set_perms(f"{home}/{node}", writable)
    batch.write(f"{home}/control/platform-feature-multiprocessor-suspend", "1")
    batch.write(f"{home}/control/platform-feature-xs_reset_watches", "1")
    batch.write(f"{home}/domain-type", vm.type)
    _add(batch, vcpus_online(domid, vm.vcpus.maximum, vm.vcpus.at_startup))
    _add(batch, _memory(domid, vm))
    for key, value in vm.platform.items():
        batch.write(f"{home}/platform/{key}", value)
    for key, value in vm.xenstore_data.items():
        batch.write(f"{home}/{key}", value)
    if vm.type is VmType.HVM:
        batch.write(f"{home}/hvmloader/bios", "seabios")
        batch.write(f"{home}/hvmloader/allow-memory-relocate", "0")
    return batch


def ring_nodes(domid: DomId, store: tuple[int, int], console: tuple[int, int]) -> Batch:
    """Where the xenstore ring and the console ring are: (frame, event channel port) of each. Before INTRODUCE."""
    home, node = paths.home(domid), paths.console(domid)
    batch = Batch().write(f"{home}/store/ring-ref", str(store[0])).write(f"{home}/store/port", str(store[1]))
    batch.write(f"{node}/type", "xenconsoled").write(f"{node}/output", "pty").write(f"{node}/tty", "")
    batch.write(f"{node}/limit", str(_CONSOLE_LIMIT)).write(f"{node}/backend-id", "0")
    return batch.write(f"{node}/port", str(console[1])).write(f"{node}/ring-ref", str(console[0]))


def vcpus_online(domid: DomId, maximum: int, online: int) -> list[tuple[str, str]]:
    """What the guest is to do with each of its vCPUs."""
    return [(paths.vcpu_availability(domid, vcpu), "online" if vcpu < online else "offline") for vcpu in range(maximum)]


def removal(domid: DomId, vm: VmId) -> list[str]:
    """Every path that is the domain's, our record last: as long as it stands, the rest may stand too."""
    backends = [paths.backends(domid, kind) for kind in BACKEND_KINDS]
    others = (paths.device_model(domid), paths.home(domid), paths.vm(vm), paths.libxl(domid))
    return [*backends, *others, paths.record(domid)]


def _memory(domid: DomId, vm: VmSpec) -> list[tuple[str, str]]:
    node = f"{paths.home(domid)}/memory"
    values = {
        "static-max": vm.memory.static_max,
        "target": plan_memory(vm).build_start,
        "dynamic-min": vm.memory.dynamic_min,
        "dynamic-max": vm.memory.dynamic_max,
    }
    if vm.type is VmType.HVM:
        values["videoram"] = video_bytes(vm)
    return [(f"{node}/{name}", str(kib(size))) for name, size in values.items()]


def _add(batch: Batch, items: list[tuple[str, str]]) -> None:
    for path, value in items:
        batch.write(path, value)
