"""VMs with VIFs that are virtual functions."""

from pathlib import Path

from kit.agent import SimHost
from kit.functions import FAST
from kit.specs import disk, nic, spec, vm_id
from xenhost.core.devices import VifChange
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DevId
from xenhost.core.requests import PauseVm, PlugVif, ShutdownVm, StartVm, SuspendVm, UnplugVif, UpdateVif
from xenhost.core.views import OperationState
from xenhost.core.vm import PowerState, VmType

VM = vm_id()
FAST_ONE = spec(vbds=(disk(),), vifs=(nic(0, FAST), nic(1)))


async def test_a_function_is_set_while_its_vm_runs_and_forgets_it_when_it_is_given_back(tmp_path: Path) -> None:
    host = SimHost(tmp_path)
    agent = await host.start()
    await agent.engine.create_vm(FAST_ONE)
    await agent.succeed(StartVm(VM))
    domid = agent.engine.vm(VM).status.domid
    assert domid is not None
    assert {device.function for device in await agent.hypervisor.devices(domid)} == {"", "0000:03:10.0"}
    assert list(await agent.hypervisor.functions()) == ["0000:03:10.0"]
    assert list(host.card.addresses.values()) == [nic().mac, "", ""]
    await agent.succeed(ShutdownVm(VM))
    assert list(await agent.hypervisor.functions()) == []
    assert set(host.card.addresses.values()) == {""}
    await agent.close()


async def refused(host: SimHost, *requests: PlugVif | UnplugVif | UpdateVif | SuspendVm | StartVm | PauseVm) -> str:
    """What is said of the last one; the others succeed. Nothing is different afterwards."""
    agent = await host.start()
    *before, last = requests
    for request in before:
        await agent.succeed(request)
    await agent.settled(VM)
    old = agent.engine.vm(VM)
    ended = await agent.do(last)
    assert ended.state is OperationState.FAILED
    assert isinstance(ended.error, XenhostError)
    await agent.settled(VM)
    now = agent.engine.vm(VM)
    assert (now.spec, now.status.power_state) == (old.spec, old.status.power_state)
    assert len(now.status.devices) == len(old.status.devices)
    await agent.close()
    return str(ended.error)


async def test_what_cannot_be_done_to_a_running_vm_with_functions_is_refused(tmp_path: Path) -> None:
    host = SimHost(tmp_path)
    agent = await host.start()
    await agent.engine.create_vm(FAST_ONE)
    await agent.succeed(StartVm(VM))
    await agent.close()
    for request in (
        PlugVif(VM, nic(2, FAST)),
        UnplugVif(VM, DevId(0)),
        UnplugVif(VM, DevId(0), force=True),
        UpdateVif(VM, DevId(0), VifChange(rate_kbps=5)),
        UpdateVif(VM, DevId(1), VifChange(bridge=FAST)),
        UpdateVif(VM, DevId(0), VifChange(bridge="xenbr0")),
    ):
        assert "SR-IOV network and is plugged, unplugged or changed only while" in await refused(host, request)
    assert "state of such a card cannot be saved" in await refused(host, SuspendVm(VM))
    await host.clock.sleep(1)  # the guest uses its CPU
    assert "only while the VM is halted" in await refused(host, PauseVm(VM), PlugVif(VM, nic(2, FAST)))


async def test_more_functions_than_the_card_has_are_refused_and_none_stays_taken(tmp_path: Path) -> None:
    host = SimHost(tmp_path)
    agent = await host.start()
    await agent.engine.create_vm(spec(vbds=(disk(),), vifs=tuple(nic(index, FAST) for index in range(4))))
    ended = await agent.do(StartVm(VM))
    assert ended.error is not None
    assert ended.error.as_xenapi() == ["NETWORK_SRIOV_INSUFFICIENT_CAPACITY", FAST]
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert list(await agent.hypervisor.functions()) == []
    await agent.close()


async def test_an_hvm_guest_has_functions_and_a_pvh_guest_is_refused(tmp_path: Path) -> None:
    agent = await SimHost(tmp_path).start()
    for number, kind in enumerate((VmType.HVM, VmType.PVH), 1):
        await agent.engine.create_vm(spec(number, kind=kind, vbds=(disk(),), vifs=(nic(0, FAST),)))
    await agent.succeed(StartVm(vm_id(1)))
    assert list(await agent.hypervisor.functions()) == ["0000:03:10.0"]
    ended = await agent.do(StartVm(vm_id(2)))
    assert "Xen gives no PCI device to a PVH guest; use a PV or HVM guest" in str(ended.error)
    assert agent.engine.vm(vm_id(2)).status.power_state is PowerState.HALTED
    await agent.close()
