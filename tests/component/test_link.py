"""The link to a pool master that records what it hears."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from component.harness.agent import running
from component.harness.client import Client
from component.harness.master import RecordingMaster
from component.harness.pki import Authority
from xenhost.agent.rpc.health import LINK
from xenhost.api.host.v1 import event_service_pb2, vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import DeleteVmRequest, GetVmGuestMetricsRequest, StartVmRequest
from xenhost.api.link.v1.link_service_pb2 import GuestMetricsChange
from xenhost.core.ids import DomId
from xenhost.core.network import Ipv4Mode
from xenhost.core.network_records import Ipv4Config
from xenhost.core.network_requests import ReconfigureManagement
from xenhost.core.views import OperationState


@pytest.fixture
async def master() -> AsyncIterator[RecordingMaster]:
    master = RecordingMaster()
    yield master
    await master.stop()


def toml(address: str, *extra: str) -> str:
    return "\n".join(["[master]", f'address = "{address}"', *extra, ""])


async def health(client: Client, wanted: bool, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while await client.serving(LINK) is not wanted:
            await asyncio.sleep(0.02)


async def test_the_agent_registers_and_reports_what_there_is(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    extra = 'endpoints = ["192.0.2.1:9440"]'
    async with running(tmp_path, toml(address, extra)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        assert master.registrations[0].host.id == agent.engine.host_id
        assert list(master.registrations[0].endpoints) == ["192.0.2.1:9440"]
        first = master.reports[0]
        assert (first.session, first.sequence) == ("session-1", 1)
        assert first.snapshot.host.hypervisor == "sim"
        await health(client, True)


async def test_a_change_of_management_is_kept_when_the_master_is_reached_anew(
    tmp_path: Path, master: RecordingMaster
) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        registrations = len(master.registrations)
        network = agent.network
        assert network is not None
        static = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("192.0.2.5/24"))
        request = ReconfigureManagement(network.find_pif("eth0"), ipv4=static, confirm_seconds=600)
        operation = await network.submit(request)
        ended = await agent.engine.wait(operation.id, 30)
        assert ended.state is OperationState.SUCCEEDED
        assert len(master.registrations) > registrations
        assert network.management().unconfirmed_until is None


async def test_changes_are_reported_while_a_vm_starts(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        vm = await client.create(name="one")
        await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))

        def runs(m: RecordingMaster) -> bool:
            vms = [vm for report in m.of_kind("changes") for vm in report.changes.vms]
            return any(vm.status.power_state == vm_pb2.POWER_STATE_RUNNING for vm in vms)

        await master.heard(runs)
        await master.heard(lambda m: any(beat.heartbeat.running_vms == 1 for beat in m.of_kind("heartbeat")))
        events = [event for report in master.of_kind("changes") for event in report.changes.events]
        kinds = {event.kind for event in events}
        assert kinds >= {event_service_pb2.OBJECT_KIND_VM, event_service_pb2.OBJECT_KIND_OPERATION}
        assert [report.sequence for report in master.reports] == list(range(1, len(master.reports) + 1))


async def test_of_what_a_guest_tells_only_what_is_different_is_reported(
    tmp_path: Path, master: RecordingMaster
) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        vm = await client.create(name="one")
        started = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))

        def told(m: RecordingMaster) -> list[GuestMetricsChange]:
            return [change for report in m.of_kind("changes") for change in report.changes.guest_metrics]

        await master.heard(lambda m: any(change.metrics.os_version.get("name") for change in told(m)))
        before = len(told(master))
        agent.world.guest(DomId(started.status.domid)).tell({"data/host_name": "web"})
        await master.heard(lambda m: len(told(m)) > before)
        last = told(master)[-1]
        assert last.metrics.vm == vm.id
        assert list(last.changed.paths) == ["netbios_name", "last_updated", "revision"]
        assert dict(last.metrics.netbios_name) == {"host_name": "web"}
        assert not last.metrics.os_version
        whole = await client.vms.GetVmGuestMetrics(GetVmGuestMetricsRequest(vm="one"))
        assert (whole.live, whole.os_version["name"], whole.netbios_name["host_name"]) == (True, "SimOS 1.0", "web")


async def test_messages_are_reported_new_ones_and_those_of_before(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address) + "[metrics]\nenabled = true\n") as agent:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        assert agent.host.metrics is not None
        host = agent.engine.host_id
        await agent.host.metrics.messages.send("ALARM", 3, "Host", host, "value: 1.000000\nconfig:\n")
        await master.heard(lambda m: any(report.changes.messages for report in m.of_kind("changes")))
        (message,) = [each for report in master.of_kind("changes") for each in report.changes.messages]
        assert (message.name, message.priority, message.class_name, message.object_id) == ("ALARM", 3, "Host", host)
        assert message.body.startswith("value: 1.0")
    master.reports.clear()
    async with running(tmp_path, toml(address) + "[metrics]\nenabled = true\n"):
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        assert [each.id for each in master.reports[0].snapshot.messages] == [message.id]


async def test_a_vm_that_goes_is_reported_as_gone(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        vm = await client.create()
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        await client.vms.DeleteVm(DeleteVmRequest(id=vm.id))
        deleted = event_service_pb2.CHANGE_KIND_DELETED
        await master.heard(
            lambda m: any(
                event.id == vm.id and event.change == deleted
                for report in m.of_kind("changes")
                for event in report.changes.events
            )
        )


async def test_srs_and_vdis_are_reported_in_parts(
    tmp_path: Path, master: RecordingMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenhost.agent.link.report.VDIS", 2)
    address = await master.start(f"unix:{tmp_path}/master.sock")
    (tmp_path / "sr").mkdir()
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        sr = await client.create_sr("local", tmp_path / "sr")
        vdis = {(await client.create_vdi("local", f"vdi {number}")).id for number in range(5)}

        def told(m: RecordingMaster) -> bool:
            changes = [report.changes for report in m.of_kind("changes")]
            srs = {(each.id, each.status.attached) for change in changes for each in change.srs}
            return (sr.id, True) in srs and vdis <= {vdi.id for change in changes for vdi in change.vdis}

        await master.heard(told)
        await master.stop()
        seen = len(master.reports)
        await master.start(address)
        await master.heard(
            lambda m: any(report.snapshot.vdis and not report.snapshot.more for report in m.reports[seen:])
        )
        parts = [report.snapshot for report in master.reports[seen:] if report.HasField("snapshot")]
        assert [(len(part.srs), len(part.vdis), part.more) for part in parts[:3]] == [
            (1, 2, True),
            (0, 2, True),
            (0, 1, False),
        ]
        assert {vdi.id for part in parts for vdi in part.vdis} == vdis


async def test_many_changes_at_once_are_few_reports(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        vms = [await client.create() for _ in range(100)]
        known: set[str] = set()

        def complete(m: RecordingMaster) -> bool:
            known.update(vm.id for report in m.of_kind("changes") for vm in report.changes.vms)
            return known == {vm.id for vm in vms}

        await master.heard(complete)
        assert len(master.of_kind("changes")) < 50


async def test_a_master_that_comes_back_gets_a_registration_and_a_snapshot(
    tmp_path: Path, master: RecordingMaster
) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        await master.stop()
        with capture_logs() as lines:
            await health(client, False)
        assert any(line["event"].startswith("lease lost") for line in lines)
        vm = await client.create(name="meanwhile")
        await master.start(address)
        await master.heard(lambda m: len(m.registrations) >= 2 and len(m.of_kind("snapshot")) >= 2)
        assert [each.id for each in master.of_kind("snapshot")[-1].snapshot.vms] == [vm.id]
        await health(client, True)


async def test_a_master_that_acknowledges_nothing_loses_the_lease(tmp_path: Path, master: RecordingMaster) -> None:
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, toml(address)) as agent, agent.client() as client:
        await health(client, True)
        master.acknowledges = False
        await health(client, False)
        assert (await client.create()).id  # and the agent serves on
        master.acknowledges = True
        await health(client, True)


async def test_tls_with_our_certificate(tmp_path: Path, master: RecordingMaster) -> None:
    pool = Authority(tmp_path / "pki", "pool CA")
    address = await master.start("127.0.0.1:0", pool.issue("master"))
    files = pool.issue("host-7")
    keys = [f'cert = "{files.cert}"', f'key = "{files.key}"', f'ca = "{files.ca}"']
    async with running(tmp_path, toml(address, *keys)):
        await master.heard(lambda m: bool(m.of_kind("snapshot")))
        assert master.peers == ["host-7"]


@pytest.mark.parametrize("fault", ["their CA", "our CA", "their name"])
async def test_a_wrong_certificate_is_refused_with_a_clear_log(
    tmp_path: Path, master: RecordingMaster, fault: str
) -> None:
    pool, other = Authority(tmp_path / "pki", "pool CA"), Authority(tmp_path / "other", "other CA")
    address = await master.start("127.0.0.1:0", (other if fault == "their CA" else pool).issue("master"))
    mine = (other if fault == "our CA" else pool).issue("host-7")
    keys = [f'cert = "{mine.cert}"', f'key = "{mine.key}"', f'ca = "{pool.ca}"']
    if fault == "their name":
        keys.append('server_name = "elsewhere"')
    with capture_logs() as lines:
        async with running(tmp_path, toml(address, *keys)):
            async with asyncio.timeout(10):
                while not any(line["event"] == "no link to the master" for line in lines):
                    await asyncio.sleep(0.02)
    assert not master.registrations
    reason = next(line["reason"] for line in lines if line["event"] == "no link to the master")
    words = {"their CA": "not signed by our", "our CA": "certificate", "their name": "another name"}
    assert words[fault] in reason, reason


async def test_a_host_that_is_no_member_says_so_and_tries_again(tmp_path: Path, master: RecordingMaster) -> None:
    master.member = False
    address = await master.start(f"unix:{tmp_path}/master.sock")
    with capture_logs() as lines:
        async with running(tmp_path, toml(address)):
            async with asyncio.timeout(10):
                while not any("not a member" in line.get("reason", "") for line in lines):
                    await asyncio.sleep(0.02)
            master.member = True
            await master.heard(lambda m: bool(m.of_kind("snapshot")))


async def test_without_a_master_the_agent_serves(tmp_path: Path) -> None:
    async with running(tmp_path, toml(f"unix:{tmp_path}/nobody.sock")) as agent, agent.client() as client:
        assert await client.serving()
        assert not await client.serving(LINK)
