"""The calls of plugins and tools: XML-RPC in, XML-RPC out."""

import math
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from kit.clock import FakeClock
from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.agent.metrics.registration import Registration
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.store import DataSource

VM = "0b9a0a4c-4f1c-4f5f-8a5d-0d8c6b1f2a3b"
SOURCES = (
    DataSource("cpu0", "of the first", True, True, "(fraction)", 0.0, 1.0),
    DataSource("off", "<&>", False, False, "", -math.inf, math.inf),
)


class OneVm:
    """The host and one VM, with two data sources each."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Owner, str]] = []

    def sources(self, owner: Owner) -> Sequence[DataSource]:
        self._check(owner)
        return SOURCES

    def known(self, owner: Owner) -> bool:
        return owner in (HOST, Owner(OwnerKind.VM, VM))

    def record(self, owner: Owner, name: str) -> None:
        self._check(owner)
        if name not in [each.name for each in SOURCES]:
            raise InvalidValue(f"there is no data source {name}", field="name", value=name)
        self.done.append(("record", owner, name))

    def forget(self, owner: Owner, name: str) -> None:
        self._check(owner)
        self.done.append(("forget", owner, name))

    def query(self, owner: Owner, name: str) -> float:
        self._check(owner)
        return 0.5

    def _check(self, owner: Owner) -> None:
        if not self.known(owner):
            raise HandleInvalid("it is not here", class_name="VM", handle=owner.uuid)


@pytest.fixture
def sources() -> OneVm:
    return OneVm()


@pytest.fixture
def table(tmp_path: Path) -> PluginTable:
    return PluginTable(tmp_path, FakeClock(auto=False), structlog.get_logger("test"))


@pytest.fixture
def registration(table: PluginTable, sources: OneVm) -> Registration:
    return Registration(table, sources, "/dev/shm/metrics", lambda: 3.25, lambda: None)


def loaded(reply: bytes) -> Any:
    """The struct that a reply is."""
    (answer,), _ = xmlrpc.client.loads(reply)
    return answer


def call(registration: Registration, method: str, *params: Any) -> Any:
    """The value of a success; a failure is raised as its description."""
    answer = loaded(registration.answer(xmlrpc.client.dumps(params, method, allow_none=True).encode()))
    if answer["Status"] == "Failure":
        raise LookupError(answer["ErrorDescription"])
    assert answer["Status"] == "Success"
    return answer["Value"]


def test_the_words_of_a_plugin_in_their_order(registration: Registration, table: PluginTable) -> None:
    assert call(registration, "Plugin.get_header") == "DATASOURCES\n"
    assert call(registration, "Plugin.get_path", {"uid": "fans"}) == "/dev/shm/metrics/fans"
    assert call(registration, "Plugin.Local.next_reading", {"uid": "fans"}) == -1.0
    for protocol in ("V1", "V2"):
        info = {"uid": "fans", "info": "Five_Seconds", "protocol": protocol}
        assert call(registration, "Plugin.Local.register", info) == 3.25
    assert table.registered("fans")
    assert call(registration, "Plugin.Local.next_reading", {"uid": "fans"}) == 3.25
    assert call(registration, "Plugin.Local.deregister", {"uid": "fans"}) is None
    assert not table.registered("fans")


def test_the_words_of_rrdd_py(registration: Registration, table: PluginTable) -> None:
    assert call(registration, "Plugin.register", {"uid": "old", "frequency": "Five_Seconds"}) == 3.25
    assert call(registration, "Plugin.next_reading", {"uid": "old"}) == 3.25
    assert call(registration, "Plugin.deregister", {"uid": "old"}) is None
    assert not table.registered("old")


def test_what_is_wrong_is_a_failure_and_never_a_fault(registration: Registration) -> None:
    for method, params, name in (
        ("Plugin.Local.register", {"uid": "x", "info": "Five_Seconds", "protocol": "V9"}, "Invalid_protocol"),
        ("Plugin.Local.register", {"uid": "../x", "info": "Five_Seconds", "protocol": "V2"}, "Rrdd_internal_error"),
        ("Plugin.Local.register", {"info": "Five_Seconds", "protocol": "V2"}, "Rrdd_internal_error"),
        ("Plugin.register", {"uid": "x", "frequency": "Hourly"}, "Rrdd_internal_error"),
        ("Plugin.Interdomain.register", {"uid": "x"}, "Rrdd_internal_error"),
        ("add_host_ds", {"ds_name": "nothing"}, "Datasource_missing"),
        ("add_vm_ds", {"vm_uuid": "no uuid", "domid": 1, "ds_name": "cpu0"}, "Rrdd_internal_error"),
    ):
        with pytest.raises(LookupError) as caught:
            call(registration, method, params)
        assert caught.value.args[0][0] == name
    for body in (b"", b"\xff\xfe", b"<a/>", b"<?xml version='1.0'?><!DOCTYPE x><methodCall/>", b"<methodCall>" * 500):
        assert loaded(registration.answer(body))["Status"] == "Failure"


def test_data_sources_of_the_host_and_of_vms(registration: Registration, sources: OneVm) -> None:
    described = call(registration, "query_possible_host_dss")
    assert described[0] == {
        "name": "cpu0", "description": "of the first", "enabled": True, "standard": True,
        "min": 0.0, "max": 1.0, "units": "(fraction)",
    }  # fmt: skip
    assert (described[1]["min"], described[1]["max"]) == (-math.inf, math.inf)
    vm = {"vm_uuid": VM.upper(), "domid": 3}
    assert call(registration, "query_vm_ds", {**vm, "ds_name": "cpu0"}) == 0.5
    assert call(registration, "add_vm_ds", {**vm, "ds_name": "off"}) is None
    assert call(registration, "forget_vm_ds", {**vm, "ds_name": "off"}) is None
    assert [each[0] for each in sources.done] == ["record", "forget"]
    assert call(registration, "has_vm_rrd", {"vm_uuid": VM}) is True
    assert call(registration, "has_vm_rrd", {"vm_uuid": VM.replace("0b", "1b")}) is False
    assert call(registration, "save_rrds") is None
