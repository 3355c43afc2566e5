"""What a host that joins looks at, and what it takes from masters it does not know."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from xenhost.core.config_error import ConfigError
from xenhost.pool.call import ApiError, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.hosts.membership import admission, other_pool
from xenhost.pool.hosts.membership.address import MasterAddress, parse_address
from xenhost.pool.hosts.membership.checks import Other, check_joining
from xenhost.pool.hosts.membership.role import FILE, MemberOf, PoolRole, read_role
from xenhost.pool.model.catalogue import MODEL
from xenhost.system.http.message import HttpError

VERSION: dict[str, Value] = {"product_brand": "xenhost", "platform_version": "3.4.0", "xen": "4.17", "xenhost": "0.1.0"}
HOST: dict[str, Value] = {"API_version_major": 2, "API_version_minor": 21, "software_version": VERSION}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(MODEL, SqliteStore(tmp_path / "pool.db", synchronous=False))
    await database.open()
    await database.change(lambda t: (t.create("pool", {}), t.create("host", HOST)))
    yield database
    await database.close()


def other(**fields: Value) -> Other:
    master = {"uuid": "other", "external_auth_type": "", "external_auth_service_name": "", **HOST}
    pool: dict[str, Value] = {"ha_enabled": False, "tls_verification_enabled": False}
    for name, value in fields.items():
        (pool if name in pool else master)[name] = value
    return Other(pool, master)


def refusal(database: Database, found: Other, force: bool = False) -> list[str]:
    (host,) = (ref for ref, row in database.rows("host").items() if row["software_version"])
    try:
        check_joining(database, host, found, force)
    except ApiError as error:
        return error.as_xenapi()
    return []


async def test_what_the_pools_do_not_have_in_common_is_refused(database: Database) -> None:
    assert refusal(database, other()) == []
    assert refusal(database, other(ha_enabled=True)) == ["HA_IS_ENABLED"]
    assert refusal(database, other(API_version_minor="20")) == [
        *("POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION", "2.21", "2.20"),
    ]
    assert refusal(database, other(software_version={**VERSION, "product_brand": "XCP-ng"})) == ["HOSTS_NOT_COMPATIBLE"]
    assert refusal(database, other(software_version="text")) == ["HOSTS_NOT_COMPATIBLE"]
    older = other(software_version={**VERSION, "xen": "4.14"})
    assert refusal(database, older) == ["HOSTS_NOT_HOMOGENEOUS", "software version differs"]
    assert refusal(database, older, force=True) == []
    assert refusal(database, other(external_auth_type="PAM")) == ["POOL_JOINING_EXTERNAL_AUTH_MISMATCH"]
    assert refusal(database, other(tls_verification_enabled=True)) == ["POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH"]


@pytest.mark.parametrize(
    ("cls", "fields", "code"),
    [
        ("host", {}, "JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS"),
        ("VM", {"power_state": "Running"}, "JOINING_HOST_CANNOT_HAVE_RUNNING_VMS"),
        ("VM", {"current_operations": {"x": "start"}}, "JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS"),
        ("VM", {"power_state": "Suspended"}, "OPERATION_NOT_ALLOWED"),
        ("VM", {"is_a_template": True}, "OPERATION_NOT_ALLOWED"),
        ("VM", {"is_a_template": True, "is_default_template": True}, ""),
        ("VM", {"is_control_domain": True, "power_state": "Running"}, ""),
        ("SR", {"shared": True}, "JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS"),
        ("SR", {"shared": False}, ""),
        ("PIF", {"management": True, "physical": False}, "POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC"),
        ("PIF", {"management": True, "physical": True}, ""),
    ],
)
async def test_what_a_host_has_that_would_not_go_along_is_refused(
    database: Database, cls: str, fields: dict[str, Value], code: str
) -> None:
    (host,) = database.rows("host")
    owner = {"host": host} if cls == "PIF" else {}
    await database.change(lambda t: t.create(cls, {**fields, **owner}))
    for force in (False, True):
        assert refusal(database, other(), force)[:1] == ([code] if code else [])


@pytest.mark.parametrize(
    ("text", "found", "target"),
    [
        ("192.0.2.1", MasterAddress("192.0.2.1", 443), "192.0.2.1:9441"),
        ("pool.example.org:8443", MasterAddress("pool.example.org", 8443), "pool.example.org:9441"),
        ("2001:db8::1", MasterAddress("2001:db8::1", 443), "[2001:db8::1]:9441"),
        ("[2001:db8::1]:8443", MasterAddress("2001:db8::1", 8443), "[2001:db8::1]:9441"),
    ],
)
def test_masters_are_named_as_administrators_do(text: str, found: MasterAddress, target: str) -> None:
    assert parse_address(text) == found
    assert found.target(9441) == target


TOLD = {
    "uuid": "5eed0000-0000-4000-8000-000000000002",
    "endpoints": ["two.example.org:9440"],
    "names": {"name_label": "two", "name_description": "the second"},
}
NO_ADDRESSES = ["", "a b", "a/b", "u@a", "a:0", "a:b", "a:70000", "a\r\nb", "ä", "[::1", "a?b", "x" * 256]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="INVALID_VALUE"):
        parse_address(text)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": {"message": "HOST_IS_SLAVE", "data": ["192.0.2.1"]}}, "HOST_IS_SLAVE"),
        ({"error": "text"}, "JOINING_HOST_SERVICE_FAILED"),
        ({"error": {"message": "X", "data": "text"}}, "JOINING_HOST_SERVICE_FAILED"),
    ],
)
def test_errors_of_another_master_are_passed_on(answer: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError, match=code):
        other_pool._result(answer)


@pytest.mark.parametrize(
    "told",
    [
        *(b"", b"[]", b"{}", b"[" * 100_000),
        *(json.dumps({"uuid": "x", "endpoints": ["a:1"]}).encode(), json.dumps({"uuid": 1, "endpoints": 2}).encode()),
    ],
)
def test_who_asks_to_be_admitted_without_saying_who_he_is_is_refused(told: bytes) -> None:
    with pytest.raises(HttpError):
        admission._parsed(told)


@pytest.mark.parametrize("endpoint", ["unix:/run/xenhost/xenhostd.sock", "a", "a:b", "dns:///a:1", 7, "x" * 400])
def test_what_others_cannot_call_is_no_endpoint(endpoint: Any) -> None:
    with pytest.raises(HttpError):
        admission._parsed(json.dumps({**TOLD, "endpoints": [endpoint]}).encode())


def test_a_host_that_asks_to_be_admitted_has_names_that_clients_can_be_told() -> None:
    joiner = admission._parsed(json.dumps(TOLD).encode())
    assert (joiner.host, joiner.names) == ("two.example.org", TOLD["names"])
    wrong: list[Any] = [{}, {"name_label": "two"}, {"name_label": "\0", "name_description": ""}, [], None]
    for names in wrong:
        with pytest.raises(HttpError):
            admission._parsed(json.dumps({**TOLD, "names": names}).encode())


async def test_the_role_is_a_file_and_changes_once(tmp_path: Path) -> None:
    assert read_role(tmp_path) is None
    of = MemberOf("192.0.2.1", "192.0.2.1:9441")
    role = PoolRole(tmp_path, "pool.db")
    await role.become_member(of)
    assert read_role(tmp_path) == of
    with pytest.raises(ApiError, match="OPERATION_NOT_ALLOWED"):
        await role.become_master(fresh=True)
    assert read_role(tmp_path) == of
    (tmp_path / "pool.db").write_text("kept")
    await PoolRole(tmp_path, "pool.db").become_master()
    assert (read_role(tmp_path), (tmp_path / "pool.db").exists()) == (None, True)
    await PoolRole(tmp_path, "pool.db").become_master(fresh=True)
    assert not (tmp_path / "pool.db").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"master": "a"}'])
def test_who_does_not_know_whose_member_he_is_does_not_start(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match=FILE):
        read_role(tmp_path)
