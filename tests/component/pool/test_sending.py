"""VMs that are sent to a host of their pool, and disks that go with them."""

from pathlib import Path

from component.pool.conftest import Master
from component.pool.test_migrating import MEMORY, Two, hosts
from component.pool.test_suspend import remembered
from component.pool.test_vms import vbd_record, vdi_record
from xenhost.pool.call import NULL_REF, Ref, Value

__all__ = ["hosts"]

Dest = dict[str, Value]


async def receiver(master: Master, host: Ref) -> Dest:
    """What a client would be told to pass on."""
    pif = next(pif for pif in master.database.rows("PIF").values() if pif["host"] == host)
    await master.database.change(lambda t: t.set("PIF", pif.ref, {"IP": "192.0.2.7"}))
    dest = await master.call("host.migrate_receive", host, pif["network"], {})
    assert dest["host"] == host
    return dict(dest)


def disk_of(hosts: Two) -> Ref:
    (vbd,) = hosts.master.database.get("VM", hosts.vm).refs("VBDs")
    return hosts.master.database.get("VBD", vbd).one("VDI")


async def test_a_vm_that_runs_is_sent_to_another_host(hosts: Two) -> None:
    dest = await receiver(hosts.master, hosts.second)
    own: Dest = {disk_of(hosts): hosts.sr}
    await hosts.master.call("VM.assert_can_migrate", hosts.vm, dest, False, own, {}, {})
    assert await hosts.where() == ("Running", hosts.first)
    assert await hosts.master.ref("VM.migrate_send", hosts.vm, dest, False, own, {}, {}) == hosts.vm
    assert (await hosts.where(), remembered(hosts.two)) == (("Running", hosts.second), MEMORY)


async def test_the_disk_of_a_halted_vm_is_sent_to_another_sr(hosts: Two, tmp_path: Path) -> None:
    master, disk = hosts.master, disk_of(hosts)
    (tmp_path / "local").mkdir()
    config = {"location": str(tmp_path / "local")}
    local = await master.ref("SR.create", hosts.second, config, 0, "local", "", "file", "user", False, {})
    dest = await receiver(master, hosts.second)
    error = await refused(hosts, "VM_MIGRATE_FAILED", dest, False, {disk: local}, {}, {})
    assert "shut it down" in error[4]
    await master.call("VM.hard_shutdown", hosts.vm)
    await refused(hosts, "VM_REQUIRES_SR", dest | {"host": hosts.first}, True, {disk: local}, {}, {})
    await master.call("VM.migrate_send", hosts.vm, dest, True, {disk: local}, {}, {})
    assert master.database.get("VDI", disk_of(hosts))["SR"] == local
    assert master.database.find("VDI", disk) is None
    await master.call("VM.start", hosts.vm, False, False)
    assert await hosts.where() == ("Running", hosts.second)


async def test_a_suspended_vm_may_be_sent_but_not_its_disks(hosts: Two, tmp_path: Path) -> None:
    master, disk = hosts.master, disk_of(hosts)
    (tmp_path / "local").mkdir()
    config = {"location": str(tmp_path / "local")}
    local = await master.ref("SR.create", hosts.second, config, 0, "local", "", "file", "user", False, {})
    dest = await receiver(master, hosts.second)
    await master.call("VM.set_suspend_SR", hosts.vm, hosts.sr)
    await master.call("VM.suspend", hosts.vm)
    error = await refused(hosts, "VM_MIGRATE_FAILED", dest, False, {disk: local}, {}, {})
    assert "shut it down" in error[4]
    await master.call("VM.migrate_send", hosts.vm, dest, False, {disk: hosts.sr}, {}, {})
    await master.call("VM.resume_on", hosts.vm, hosts.second, False, False)
    assert (await hosts.where(), remembered(hosts.two)) == (("Running", hosts.second), MEMORY)


async def test_no_disk_is_sent_if_one_cannot_be(hosts: Two, tmp_path: Path) -> None:
    master, first = hosts.master, disk_of(hosts)
    (tmp_path / "local").mkdir()
    config = {"location": str(tmp_path / "local")}
    local = await master.ref("SR.create", hosts.second, config, 0, "local", "", "file", "user", False, {})
    dest = await receiver(master, hosts.second)
    await master.call("VM.hard_shutdown", hosts.vm)
    second = await master.ref("VDI.create", vdi_record(hosts.sr))
    await master.call("VBD.create", vbd_record(hosts.vm, second, userdevice="1"))
    await master.call("VDI.enable_cbt", second)
    await refused(hosts, "VDI_CBT_ENABLED", dest, False, {first: local, second: local}, {}, {})
    assert master.database.get("VDI", first)["SR"] == hosts.sr


async def refused(hosts: Two, code: str, *params: Value) -> list[str]:
    """Both ways; nothing is different afterwards."""
    before = await hosts.where()
    error = await hosts.master.refused(code, "VM.assert_can_migrate", hosts.vm, *params)
    assert await hosts.master.refused(code, "VM.migrate_send", hosts.vm, *params) == error
    assert await hosts.where() == before
    return error


async def test_what_is_not_done_is_refused_and_says_what_would_be_right(hosts: Two) -> None:
    master, vm = hosts.master, hosts.vm
    dest, disk = await receiver(master, hosts.second), disk_of(hosts)
    error = await refused(hosts, "VM_MIGRATE_FAILED", dest, True, {}, {}, {})
    assert "live=false" in error[4]
    error = await refused(hosts, "VM_MIGRATE_FAILED", dest | {"host": "OpaqueRef:elsewhere"}, False, {}, {}, {})
    assert "export" in error[4]
    await refused(hosts, "INVALID_VALUE", {}, False, {}, {}, {})
    error = await refused(hosts, "OPERATION_NOT_ALLOWED", dest, False, {}, {}, {"copy": "true"})
    assert "VM.copy" in error[1]
    error = await master.refused(
        "OPERATION_NOT_ALLOWED", "VM.migrate_send", vm, dest, False, {}, {}, {}, {}, {disk: "raw"}
    )
    assert "vdi_format_map" in error[1]
    await refused(hosts, "OPERATION_NOT_ALLOWED", dest, False, {}, {"OpaqueRef:vif": "OpaqueRef:network"}, {})
    await refused(hosts, "HANDLE_INVALID", dest, False, {disk: "OpaqueRef:no"}, {}, {})
    await refused(hosts, "HANDLE_INVALID", dest, False, {"OpaqueRef:no": hosts.sr}, {}, {})
    await master.call("host.disable", hosts.second)
    await refused(hosts, "HOST_DISABLED", dest, False, {}, {}, {})
    await master.refused("HOST_DISABLED", "host.migrate_receive", hosts.second, NULL_REF, {})
    await master.call("host.enable", hosts.second)
    await master.call("VM.pause", vm)
    await refused(hosts, "VM_BAD_POWER_STATE", dest, False, {}, {}, {})
