"""Virtual functions of PCI cards: what is seen before any is touched. The rest is in tests/xen/test_functions.py."""

import pytest

from unit.drivers.xen.machine import Machine
from xenhost.core.devices import Vif
from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.native.xenstore import Xenstore

DOMID = DomId(7)


async def test_nothing_is_given_where_no_iommu_guards_the_memory_of_others(xs: Xenstore) -> None:
    xen = Hypercalls(Machine().connect)
    await xen.open()
    devices = Devices(xs, PlainBridges(), xen=xen)
    with pytest.raises(DeviceAttachFailed, match="this host has no IOMMU"):
        await devices.plug_vif(DOMID, Vif(DevId(0), "52:54:00:00:01:01", "fast", function="0000:03:10.2"))
    assert list(await devices.functions()) == []
    await xen.close()
