"""Whatever plugins, clients and administrators send to the metrics engine is an answer, or a reason."""

import xmlrpc.client
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from hypothesis import given
from hypothesis import strategies as st

from kit.clock import FakeClock
from xenhost.agent.metrics.alerts.rule import parse_rules
from xenhost.agent.metrics.http.pictures import owner_of, picture
from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.agent.metrics.registration import Registration
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.store import DataSource
from xenhost.rrd.updates import parse_updates_query
from xenhost.system.http.accept import prefers_json
from xenhost.system.http.message import Headers, HttpError, Peer, Request

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)
METHODS = st.sampled_from(
    [
        "Plugin.Local.register",
        "Plugin.register",
        "Plugin.get_path",
        "add_vm_ds",
        "query_host_ds",
        "query_possible_sr_dss",
    ]
) | st.text(max_size=20)
KEYS = st.sampled_from(["uid", "info", "protocol", "frequency", "ds_name", "vm_uuid", "sr_uuid"])
NAMES = st.sampled_from(
    ["start", "cf", "interval", "host", "vm_uuid", "sr_uuid", "json", "end", "width", "names", "kind"]
)


class Nothing:
    """Owners without any data source."""

    def sources(self, owner: Owner) -> Sequence[DataSource]:
        return ()

    def known(self, owner: Owner) -> bool:
        return owner == HOST

    def record(self, owner: Owner, name: str) -> None:
        raise InvalidValue("there is none", field="name", value=name)

    def forget(self, owner: Owner, name: str) -> None:
        raise HandleInvalid("not here", class_name="VM", handle=owner.uuid)

    def query(self, owner: Owner, name: str) -> float:
        return 0.0


def registration() -> Registration:
    table = PluginTable(Path("/nonexistent"), FakeClock(auto=False), structlog.get_logger("test"))
    return Registration(table, Nothing(), "/dev/shm/metrics", lambda: 1.0, lambda: None)


def answered(body: bytes) -> None:
    (answer,), _ = xmlrpc.client.loads(registration().answer(body))
    found: Any = answer
    assert found["Status"] in ("Success", "Failure")
    assert ("Value" in found) is (found["Status"] == "Success")


@given(st.binary(max_size=300))
def test_any_bytes_on_the_registration_socket(body: bytes) -> None:
    answered(body)
    answered(b"<?xml version='1.0'?><methodCall><methodName>" + body)


@given(METHODS, st.dictionaries(KEYS, VALUES, max_size=5) | VALUES)
def test_any_call_on_the_registration_socket(method: str, params: Any) -> None:
    try:
        body = xmlrpc.client.dumps((params,), method, allow_none=True).encode("utf-8", "surrogatepass")
    except (OverflowError, TypeError):
        return
    answered(body)


@given(st.text(max_size=300), st.sampled_from(list(OwnerKind)))
def test_any_alert_configuration(text: str, kind: OwnerKind) -> None:
    for config in (text, f"<config><variable><name value='x'/>{text}</variable></config>"):
        with suppress(InvalidValue):
            parse_rules(config, kind)


FIELDS = st.sampled_from(
    ["name", "rrd_regex", "consolidation_fn", "alarm_trigger_level", "alarm_trigger_period", "alarm_priority"]
)


@given(st.dictionaries(FIELDS, st.text(st.characters(codec="ascii", exclude_characters='<>&"\0'), max_size=40)))
def test_any_values_in_an_alert_configuration(fields: dict[str, str]) -> None:
    inner = "".join(f'<{name} value="{value}"/>' for name, value in fields.items())
    with suppress(InvalidValue):
        for rule in parse_rules(f"<config><variable>{inner}</variable></config>", OwnerKind.VM):
            rule.pattern.fullmatch("vif_0_rx" * 30)
            assert isinstance(rule.bad(1.0), bool)


def request(path: str, fields: list[tuple[str, str]]) -> Request:
    query = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in fields)
    nothing: Any = None
    return Request("GET", f"{path}?{query}", "1.1", Headers(), nothing, Peer(), nothing)


@given(st.lists(st.tuples(NAMES, st.text(max_size=20) | st.integers().map(str)), max_size=8))
def test_any_query(fields: list[tuple[str, str]]) -> None:
    asked = request("/graph", fields)
    with suppress(HttpError):
        assert picture(asked, owner_of(asked), 1.7e9).start >= 1
    parameters: dict[str, list[str]] = {}
    for name, value in asked.query:
        parameters.setdefault(name, []).append(value)
    with suppress(InvalidValue):
        parse_updates_query(parameters)


@given(st.text(max_size=80), st.booleans())
def test_any_accept_header(text: str, asked: bool) -> None:
    assert isinstance(prefers_json(text, asked), bool)


def test_what_a_client_accepts_goes_before_what_it_says_in_the_query() -> None:
    assert prefers_json("", True)
    assert not prefers_json("", False)
    assert prefers_json("*/*", False)
    assert not prefers_json("text/xml", True)
    assert not prefers_json("application/json;q=0.5, text/xml", True)
    assert prefers_json("text/html, application/json;q=0.1", False)
    assert not prefers_json("text/html", False)
    assert not prefers_json("text/*, */*;q=0.1", True)
    assert not prefers_json("application/xml", True)
