"""What clients see of a pool master that has no hosts yet: the XenAPI module talks to the real engine."""

import asyncio
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import XenAPI

from kit.http import exchange
from kit.pool_front import PASSWORD, USER, Pool, pool
from xenhost.pool.call import Context, Value

T = TypeVar("T")


@contextmanager
def logged_in(at: Pool, user: str = USER, password: str = PASSWORD) -> Iterator[Any]:
    session = XenAPI.Session(at.url)
    try:
        session.xenapi.login_with_password(user, password, "1.0", "tests")
        yield session
    finally:
        session("close")()


async def using(at: Pool, use: Callable[[Any], T], user: str = USER, password: str = PASSWORD) -> T:
    def work() -> T:
        with logged_in(at, user, password) as session:
            return use(session.xenapi)

    return await asyncio.to_thread(work)


async def test_a_session_is_an_object_of_the_pool_while_it_lasts(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def use(xenapi: Any) -> Any:
            (session,) = at.database.rows("session").values()
            record = xenapi.session.get_record(session.ref)
            assert (record["auth_user_name"], record["is_local_superuser"], record["originator"]) == (
                USER,
                True,
                "tests",
            )
            assert record["last_active"].value.endswith("Z")
            xenapi.session.logout()
            return record["uuid"]

        assert len(await using(at, use)) == 36
        assert not at.database.rows("session")


async def test_objects_are_made_read_changed_and_found_over_the_wire(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def use(xenapi: Any) -> None:
            network = xenapi.network.create({"name_label": "a <b> & c", "other_config": {"x": "y"}, "MTU": "1500"})
            record = xenapi.network.get_record(network)
            assert (record["name_label"], record["MTU"], record["VIFs"]) == ("a <b> & c", "1500", [])
            xenapi.network.set_name_label(network, "other")
            xenapi.network.add_to_other_config(network, "k", "v")
            assert xenapi.network.get_by_name_label("other") == [network]
            assert xenapi.network.get_all_records()[network]["other_config"] == {"x": "y", "k": "v"}
            with pytest.raises(XenAPI.Failure, match="MAP_DUPLICATE_KEY"):
                xenapi.network.add_to_other_config(network, "k", "v")
            with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
                xenapi.network.get_record("OpaqueRef:none")
            with pytest.raises(XenAPI.Failure, match="MESSAGE_METHOD_UNKNOWN"):
                xenapi.network.fly(network)
            with pytest.raises(XenAPI.Failure, match="MESSAGE_PARAMETER_COUNT_MISMATCH"):
                xenapi.network.get_record()

        await using(at, use)


async def test_an_asynchronous_call_is_a_task_with_its_result_as_xml(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        async def start(context: Context, *params: Value) -> Value:
            return "OpaqueRef:result"

        at.implementations.register("pool.create_VLAN_from_PIF", start)

        def use(xenapi: Any) -> Any:
            task = xenapi.Async.pool.create_VLAN_from_PIF("OpaqueRef:NULL", "OpaqueRef:NULL", "1")
            for _ in range(200):
                if xenapi.task.get_status(task) != "pending":
                    break
            record = xenapi.task.get_record(task)
            xenapi.task.destroy(task)
            return record

        record = await using(at, use)
        assert record["status"] == "success", record
        assert "<value>OpaqueRef:result</value>" in record["result"]
        assert record["name_label"] == "Async.pool.create_VLAN_from_PIF"


async def test_an_event_reaches_a_client_that_waits_for_it(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def wait(xenapi: Any) -> Any:
            first = xenapi.event_from(["network"], "", 0.1)
            with logged_in(at) as other:
                other.xenapi.network.create({"name_label": "new", "other_config": {}})
            return xenapi.event_from(["network"], first["token"], 10.0)

        answer = await using(at, wait)
        (event,) = answer["events"]
        assert (event["class"], event["operation"], event["snapshot"]["name_label"]) == ("network", "add", "new")
        assert answer["valid_ref_counts"]["network"] == "1"


async def test_the_methods_are_listed_and_each_class_once(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def ask() -> Any:
            with logged_in(at) as session:
                return session.system.listMethods()

        names = await asyncio.to_thread(ask)
        classes = {name.partition(".")[0] for name in names if name.endswith(".get_all_records")}
        assert {"VM", "host", "pool", "VIF_metrics", "role"} <= classes
        assert "Async" not in classes
        assert len(names) == len(set(names)) > 1300


async def test_the_six_roles_have_the_identities_that_clients_know(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def use(xenapi: Any) -> None:
            roles = xenapi.role.get_all_records()
            assert {role["name_label"] for role in roles.values()} == {
                "pool-admin",
                "pool-operator",
                "vm-power-admin",
                "vm-admin",
                "vm-operator",
                "read-only",
            }
            (reader,) = xenapi.role.get_by_name_label("read-only")
            assert xenapi.role.get_uuid(reader) == "7233b8e3-eacb-d7da-2c95-f2e581cdbf4e"
            permissions = xenapi.role.get_permissions_name_label(reader)
            assert "vm.get_record" in permissions
            assert "vm.start" not in permissions
            having = xenapi.role.get_by_permission_name_label("vm.start")
            assert reader not in having
            assert "pool-admin" in {roles[ref]["name_label"] for ref in having}

        await using(at, use)


async def test_a_subject_of_the_system_may_do_what_its_role_may(tmp_path: Path) -> None:
    name = next(user.pw_name for user in pwd.getpwall() if user.pw_uid not in (0, os.getuid()))
    identifier = f"u{pwd.getpwnam(name).pw_uid}"
    async with pool(tmp_path, everybody={name: "hers"}) as at:
        await at.database.change(lambda change: change.create("host", {}))
        with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
            await using(at, lambda xenapi: None, name, "hers")

        def let_in(xenapi: Any) -> str:
            with pytest.raises(XenAPI.Failure, match="AUTH_UNKNOWN_TYPE"):
                xenapi.pool.enable_external_auth("OpaqueRef:NULL", {}, "", "AD")
            with pytest.raises(XenAPI.Failure, match="AUTH_IS_DISABLED"):
                xenapi.auth.get_subject_identifier(name)
            return ""

        await at.database.change(lambda change: change.create("pool", {}))
        (the_pool,) = at.database.rows("pool")
        await using(at, lambda xenapi: xenapi.pool.enable_external_auth(the_pool, {}, "", "PAM"))

        def add(xenapi: Any) -> Any:
            assert xenapi.auth.get_subject_identifier(name) == identifier
            information = xenapi.auth.get_subject_information_from_identifier(identifier)
            assert information["subject-name"] == name
            assert xenapi.auth.get_group_membership(identifier)[0].startswith("g")
            subject = xenapi.subject.create({"subject_identifier": identifier, "other_config": information})
            return subject, xenapi.role.get_by_name_label("vm-operator")[0]

        subject, role = await using(at, add)
        with pytest.raises(XenAPI.Failure, match="RBAC_PERMISSION_DENIED"):
            await using(at, lambda xenapi: None, name, "hers")
        await using(at, lambda xenapi: xenapi.subject.add_to_roles(subject, role))
        with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
            await using(at, lambda xenapi: None, name, "not hers")

        def work(xenapi: Any) -> Any:
            assert xenapi.VM.get_all() == []
            with pytest.raises(XenAPI.Failure, match=r"RBAC_PERMISSION_DENIED.*network\.create.*pool-operator"):
                xenapi.network.create({"name_label": "x"})
            with pytest.raises(XenAPI.Failure, match="RBAC_PERMISSION_DENIED"):
                xenapi.session.change_password("hers", "other")
            (mine,) = [row for row in at.database.rows("session").values() if not row["is_local_superuser"]]
            other = next(row for row in at.database.rows("session").values() if row["is_local_superuser"])
            assert xenapi.session.get_auth_user_name(mine.ref) == name
            for call in (xenapi.session.get_by_uuid, xenapi.session.get_record, xenapi.session.get_originator):
                with pytest.raises(XenAPI.Failure, match=r"RBAC_PERMISSION_DENIED.*pool-admin\)"):
                    call(other["uuid"] if call == xenapi.session.get_by_uuid else other.ref)
            return dict(mine)

        session = await using(at, work, name, "hers")
        assert (session["auth_user_sid"], session["subject"]) == (identifier, subject)
        assert "vm.start" in session["rbac_permissions"]

        def throw_out(xenapi: Any) -> None:
            assert xenapi.session.get_all_subject_identifiers() == [identifier]
            xenapi.session.logout_subject_identifier(identifier)
            assert xenapi.session.get_all_subject_identifiers() == []

        await using(at, throw_out)


async def test_the_audit_log_can_be_had_from_some_time_on(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:
        await using(at, lambda xenapi: xenapi.network.create({"name_label": "x", "other_config": {}}))
        port = at.front.listener.http_ports[0]
        (ref,) = at.database.rows("session")
        everything = await exchange(port, f"GET /audit_log?session_id={ref} HTTP/1.0\r\n\r\n".encode())
        assert b'"action": "network.create"' in everything
        later = await exchange(port, f"GET /audit_log?session_id={ref}&since=2999 HTTP/1.0\r\n\r\n".encode())
        assert later.endswith(b"\r\n\r\n")


async def test_the_password_of_a_superuser_can_be_changed_by_himself(tmp_path: Path) -> None:
    async with pool(tmp_path) as at:

        def change(xenapi: Any) -> None:
            with pytest.raises(XenAPI.Failure, match="CHANGE_PASSWORD_REJECTED"):
                xenapi.session.change_password("wrong", "new")
            xenapi.session.change_password(PASSWORD, "new")

        await using(at, change)
        await using(at, lambda xenapi: xenapi.VM.get_all(), USER, "new")
        with pytest.raises(XenAPI.Failure, match="SESSION_AUTHENTICATION_FAILED"):
            await using(at, lambda xenapi: None)
