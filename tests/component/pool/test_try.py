"""`xenhost try`: both daemons as processes, and the XenAPI module of PyPI, which drives a VM through its life."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from xmlrpc.client import ServerProxy

import pytest
import XenAPI

from component.harness.trial import trial
from xenhost.core.units import MIB

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Path]]:
    """URL, and the folder of both daemons."""
    with trial() as (address, folder):
        yield f"http://{address}", folder


@contextmanager
def session(url: str) -> Iterator[Any]:
    """XenAPI itself never closes its connection."""
    made = XenAPI.Session(url)
    try:
        yield made
    finally:
        made._ServerProxy__close()


@pytest.fixture
def api(served: tuple[str, Path]) -> Iterator[Any]:
    with session(served[0]) as client:
        client.login_with_password("root", "secret", "1.0", "tests")
        yield client.xenapi
        client.logout()


def eventually(holds: Any) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def waited(api: Any, task: str) -> str:
    """The result of a task that succeeds."""
    eventually(lambda: api.task.get_status(task) not in ("pending", "cancelling"))
    record = api.task.get_record(task)
    assert record["status"] == "success", record
    api.task.destroy(task)
    return str(record["result"]).removeprefix("<value>").removesuffix("</value>")


def test_a_client_drives_a_vm_through_its_life(api: Any) -> None:
    template = api.VM.get_by_name_label("Other install media")[0]
    vm = waited(api, api.Async.VM.clone(template, "web"))
    waited(api, api.Async.VM.provision(vm))
    pool = api.pool.get_all()[0]
    sr = api.pool.get_default_SR(pool)
    vdi = api.VDI.create(
        {
            "name_label": "disk",
            "name_description": "",
            "SR": sr,
            "virtual_size": str(8 * MIB),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
        }
    )
    vbd = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
    vbd |= {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    api.VBD.create(vbd)
    network = api.network.get_all()[0]
    vif = {"VM": vm, "network": network, "device": "0", "MAC": "", "MTU": "1500", "other_config": {}}
    vif |= {"qos_algorithm_type": "", "qos_algorithm_params": {}}
    api.VIF.create(vif)
    seen = api.event_from(["vm"], "", 1.0)
    waited(api, api.Async.VM.start(vm, False, False))
    assert api.VM.get_power_state(vm) == "Running"
    events = api.event_from(["vm"], seen["token"], 5.0)["events"]
    assert vm in {event["ref"] for event in events}
    eventually(lambda: api.VM.get_guest_metrics(vm) != "OpaqueRef:NULL")
    metrics = api.VM_guest_metrics.get_record(api.VM.get_guest_metrics(vm))
    assert metrics["os_version"]["name"] == "SimOS 1.0"
    snapshot = api.VM.snapshot(vm, "before")
    api.VM.clean_shutdown(vm)
    api.VM.revert(snapshot)
    api.VM.start(vm, False, False)
    api.VM.hard_shutdown(vm)
    records = api.VM.get_all_records_where('field "is_a_snapshot" = "true"')
    assert list(records) == [snapshot]
    for each in (snapshot, vm):
        disks = [api.VBD.get_VDI(disk) for disk in api.VM.get_VBDs(each)]
        api.VM.destroy(each)
        for disk in disks:
            api.VDI.destroy(disk)
    assert api.VDI.get_all() == []


def test_errors_have_the_form_that_clients_know(api: Any) -> None:
    with pytest.raises(XenAPI.Failure) as caught:
        api.VM.start("OpaqueRef:none", False, False)
    assert caught.value.details == ["HANDLE_INVALID", "VM", "OpaqueRef:none"]
    template = api.VM.get_by_name_label("Other install media")[0]
    with pytest.raises(XenAPI.Failure) as caught:
        api.VM.start(template, False, False)
    assert caught.value.details == ["VM_IS_TEMPLATE", template, "start"]


def test_a_wrong_password_is_refused(served: tuple[str, Path]) -> None:
    with session(served[0]) as client, pytest.raises(XenAPI.Failure) as caught:
        client.login_with_password("root", "wrong", "1.0", "tests")
    assert caught.value.details[0] == "SESSION_AUTHENTICATION_FAILED"


def test_all_methods_are_listed(served: tuple[str, Path]) -> None:
    with ServerProxy(served[0]) as proxy:
        methods: Any = proxy.system.listMethods()
    assert "VM.start" in methods


def test_metrics_are_passed_on_by_the_master(served: tuple[str, Path]) -> None:
    with session(served[0]) as client:
        client.login_with_password("root", "secret", "1.0", "tests")
        api, ref = client.xenapi, client._session
        host = api.host.get_all()[0]
        eventually(lambda: "loadavg" in {each["name_label"] for each in api.host.get_data_sources(host)})
        eventually(lambda: api.host.query_data_source(host, "memory_total_kib") > 0)
        uuid = api.host.get_uuid(host)
        with urlopen(f"{served[0]}/rrd_updates?session_id={ref}&start=-60&host=true&json=true") as answer:
            assert answer.headers["Content-Type"] == "application/json"
            found = json.load(answer)
        assert f"AVERAGE:host:{uuid}:memory_total_kib" in found["meta"]["legend"]
        assert len(found["data"][0]["values"]) == len(found["meta"]["legend"])
        with urlopen(f"{served[0]}/host_rrd?session_id={ref}") as answer:
            assert answer.read().startswith(b"<rrd><version>0003</version><step>5</step>")
        with pytest.raises(HTTPError, match="400"):
            urlopen(f"{served[0]}/rrd_updates?session_id={ref}")
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{served[0]}/vm_rrd?session_id={ref}&uuid=none")
        client.logout()
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{served[0]}/rrd_updates?start=-60")


def test_consoles_are_where_they_say(served: tuple[str, Path]) -> None:
    with session(served[0]) as client:
        client.login_with_password("root", "secret", "1.0", "tests")
        api, ref = client.xenapi, client._session
        vm = api.VM.clone(api.VM.get_by_name_label("Other install media")[0], "seen")
        api.VM.provision(vm)
        api.VM.start(vm, False, False)
        found = {each["protocol"]: each["location"] for each in map(api.console.get_record, api.VM.get_consoles(vm))}
        assert sorted(found) == ["rfb", "vt100"]
        with talking(served[0], found["rfb"], ref) as screen, talking(served[0], found["vt100"], ref) as serial:
            assert screen.read(12) == b"RFB 003.008\n"
            serial.write(b"echo here\r")
            serial.flush()
            while serial.readline() != b"here\r\n":
                pass
            client.logout()
            for line in (screen, serial):
                line.read()  # until it ends, which it does with its session


@contextmanager
def talking(url: str, location: str, ref: str) -> Iterator[Any]:
    """Both ways of a console, after the head of the answer."""
    assert location.startswith(f"{url}/console?uuid=")
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as made, made.makefile("rwb") as line:
        line.write(f"CONNECT {location.removeprefix(url)} HTTP/1.0\r\nCookie: session_id={ref}\r\n\r\n".encode())
        line.flush()
        assert line.readline() == b"HTTP/1.1 200 OK\r\n"
        while line.readline() != b"\r\n":
            pass
        yield line
