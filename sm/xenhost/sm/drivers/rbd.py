"""SRs in a pool of Ceph, through Debian's client and the kernel's RBD."""

import json
from collections.abc import Mapping

from xenhost.core.ports.storage import Sr
from xenhost.core.storage import Capability, ConfigKey, DriverInfo, ProbeEntry, ProbeReport, SrId, SrSpec
from xenhost.core.storage_errors import backend_failure
from xenhost.core.units import MIB
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.iscsi import LUN_CAPABILITIES
from xenhost.sm.rbd.client import ImageExists, Rbd
from xenhost.sm.rbd.sr import KEY, UUID, RbdSr, marker
from xenhost.sm.scsi import documents


class RbdDriver:
    """Type `rbd`. Fulfils the `SrDriver` port; each method's contract is there."""

    def __init__(self, context: SmContext) -> None:
        self._context = context

    @property
    def info(self) -> DriverInfo:
        # not VDI_RESIZE_ONLINE: who maps an image with --exclusive lets nobody resize it, himself included
        more = (Capability.SR_UPDATE, Capability.VDI_RESIZE, Capability.THIN_PROVISIONING)
        return DriverInfo(
            type="rbd",
            name="Ceph RBD",
            description="Virtual disks as images in a pool of Ceph; needs the Debian package ceph-common",
            vendor="xenhost",
            copyright="(C) the xenhost authors, LGPL-2.1-or-later",
            version="1.0",
            required_api_version="1.0",
            capabilities=dict.fromkeys((*LUN_CAPABILITIES, *more), 1),
            configuration=(
                ConfigKey("pool", "name of the pool", True),
                ConfigKey("server", "addresses of monitors, separated by commas; those of /etc/ceph if not given"),
                ConfigKey("user", "user of the cluster, without `client.`; admin if not given"),
                ConfigKey("keyfile", "file with the key of that user; the keyring in /etc/ceph if not given"),
            ),
            image_formats=("raw",),
        )

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        if not device_config.get("pool"):
            return ProbeReport((), missing="pool", code=115)
        rbd = Rbd(self._context.commands, device_config)
        names = [image.name.removeprefix("SR-") for image in await rbd.images() if image.name.startswith("SR-")]
        found = [SrId(name) for name in names if UUID.fullmatch(name)]
        entries = tuple(ProbeEntry(device_config, True, sr) for sr in found)
        return ProbeReport(entries, documents.sr_list({"UUID": sr, "Devlist": rbd.pool, "size": 0} for sr in found))

    async def create(self, sr: SrSpec) -> None:
        rbd = Rbd(self._context.commands, sr.device_config)
        try:
            await rbd.create(marker(sr.id), MIB)
        except ImageExists:
            return
        labels = {"name_label": sr.name, "name_description": sr.description}
        await rbd.keep(marker(sr.id), KEY, json.dumps(labels))

    async def attach(self, sr: SrSpec) -> Sr:
        rbd = Rbd(self._context.commands, sr.device_config)
        if marker(sr.id) not in [image.name for image in await rbd.images()]:
            raise backend_failure(47, f"pool {rbd.pool} does not hold SR {sr.id}")
        return RbdSr(self._context, sr, rbd)
