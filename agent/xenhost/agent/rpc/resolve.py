"""What a request leaves to be found out: which object a name means, and what kind of thing a path is."""

import asyncio
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.convert.device import untyped_paths
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import vm_pb2
from xenhost.core.devices import SourceKind
from xenhost.core.errors import HandleInvalid, InvalidValue, UuidInvalid
from xenhost.core.ids import VmId, is_uuid, parse_vm_id
from xenhost.core.network_records import BondId, NetworkId, PifId, SriovId, TunnelId
from xenhost.core.storage import SrId, VdiId

MAX_NAME: Final = 255
LOOK_SECONDS: Final = 10.0
"""How long one look at the paths of a request may take; a dead network file system answers never."""
T = TypeVar("T")


def vm_named(engine: Engine, untrusted_text: str, field: str) -> VmId:
    """The VM with that UUID (it need not exist), or else the only one with that name.

    Raises HandleInvalid, InvalidValue.
    """
    _check(untrusted_text, field, "VM")
    try:
        return parse_vm_id(untrusted_text)
    except UuidInvalid:
        return engine.find(untrusted_text)


def sr_named(storage: StorageEngine, untrusted_text: str, field: str) -> SrId:
    """As `vm_named`, of an SR."""
    _check(untrusted_text, field, "SR")
    uuid = untrusted_text.strip().lower()
    return SrId(uuid) if is_uuid(uuid) else storage.find_sr(untrusted_text)


def vdi_named(storage: StorageEngine, untrusted_text: str, field: str) -> VdiId:
    """As `vm_named`, of a VDI."""
    _check(untrusted_text, field, "VDI")
    uuid = untrusted_text.strip().lower()
    return VdiId(uuid) if is_uuid(uuid) else storage.find_vdi(untrusted_text)


def network_named(network: Networking, untrusted_text: str, field: str) -> NetworkId:
    """The network with that UUID (it need not exist) or bridge, or else the only one with that name.

    Raises HandleInvalid, InvalidValue.
    """
    _check(untrusted_text, field, "network")
    uuid = untrusted_text.strip().lower()
    return NetworkId(uuid) if is_uuid(uuid) else network.find_network(untrusted_text)


def pif_named(network: Networking, untrusted_text: str, field: str) -> PifId:
    """The PIF with that UUID (it need not exist), or that is called so: eth0, bond0, eth0.5. Raises HandleInvalid."""
    _check(untrusted_text, field, "PIF")
    uuid = untrusted_text.strip().lower()
    return PifId(uuid) if is_uuid(uuid) else network.find_pif(untrusted_text)


def bond_named(network: Networking, untrusted_text: str, field: str) -> BondId:
    """As `pif_named`, by its UUID or its master PIF."""
    _check(untrusted_text, field, "Bond")
    uuid = untrusted_text.strip().lower()
    views = network.bonds()
    if any(view.bond.id == uuid for view in views):
        return BondId(uuid)
    return _of_pif(network, untrusted_text, {view.bond.master: view.bond.id for view in views}, "Bond")


def tunnel_named(network: Networking, untrusted_text: str, field: str) -> TunnelId:
    """As `pif_named`, by its UUID or its access PIF."""
    _check(untrusted_text, field, "tunnel")
    uuid = untrusted_text.strip().lower()
    views = network.tunnels()
    if any(view.tunnel.id == uuid for view in views):
        return TunnelId(uuid)
    return _of_pif(network, untrusted_text, {view.tunnel.access: view.tunnel.id for view in views}, "tunnel")


def sriov_named(network: Networking, untrusted_text: str, field: str) -> SriovId:
    """As `pif_named`, by its UUID, or its physical or logical PIF."""
    _check(untrusted_text, field, "network_sriov")
    uuid = untrusted_text.strip().lower()
    views = network.sriovs()
    if any(view.sriov.id == uuid for view in views):
        return SriovId(uuid)
    by_pif = {pif: view.sriov.id for view in views for pif in (view.sriov.physical, view.sriov.logical)}
    return _of_pif(network, untrusted_text, by_pif, "network_sriov")


def _of_pif(network: Networking, untrusted_text: str, by_pif: Mapping[PifId, T], kind: str) -> T:
    found = by_pif.get(pif_named(network, untrusted_text, "id"))
    if found is None:
        text = untrusted_text[:80]
        raise HandleInvalid(f"there is no {kind} {text!r}", class_name=kind, handle=text)
    return found


def name_vdis(storage: StorageEngine, sources: Iterable[vm_pb2.Source]) -> None:
    """Put the UUIDs of VDIs in the place of their names. Raises HandleInvalid, InvalidValue."""
    for source in sources:
        if source.vdi_id:
            source.vdi_id = vdi_named(storage, source.vdi_id, "vbd.source.vdi_id")


async def source_kinds(sources: Iterable[vm_pb2.Source]) -> Mapping[str, SourceKind]:
    """What each path of unstated kind is, by a look in a thread. Raises InvalidValue for what cannot back a VBD."""
    paths = sorted(untyped_paths(sources))
    if not paths:
        return {}
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await asyncio.to_thread(lambda: {path: _kind_of(path) for path in paths})
    except TimeoutError:
        raise InvalidValue(
            f"none of {', '.join(paths)!r:.200} could be looked at within {LOOK_SECONDS:.0f} s; give source.kind",
            field="vbd.source.path",
            value=paths[0][:100],
        ) from None


def _check(untrusted_text: str, field: str, kind: str) -> None:
    if not 0 < len(untrusted_text) <= MAX_NAME:
        raise InvalidValue(
            f"{field} must be the UUID of a {kind}, or a name that only one {kind} has",
            field=field,
            value=untrusted_text[:80],
        )


def _kind_of(untrusted_path: str) -> SourceKind:
    why = "give source.kind for one that is yet to appear"
    try:
        mode = os.stat(untrusted_path).st_mode if untrusted_path.startswith("/") else 0
    except (OSError, ValueError) as error:
        why = f"{getattr(error, 'strerror', None) or error}; {why}"
        mode = 0
    if stat.S_ISBLK(mode):
        return SourceKind.BLOCK
    if stat.S_ISREG(mode):
        return SourceKind.FILE
    raise InvalidValue(
        f"{untrusted_path!r:.100} is neither a block device nor a file in dom0: {why}",
        field="vbd.source.path",
        value=untrusted_path[:100],
    )
