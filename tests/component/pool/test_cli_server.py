"""xe's commands through its own protocol, over the real engine."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from kit.pool_front import PASSWORD, USER, Pool, pool
from kit.thin_cli import Ran, xe
from xenhost.pool.call import Context, Ref, Value

LOGIN = (f"username={USER}", f"password={PASSWORD}")


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Pool]:
    async with pool(tmp_path) as made:
        yield made


async def run(at: Pool, *args: str) -> Ran:
    return await xe(at.front.listener.http_ports[0], *args, *LOGIN)


async def made(at: Pool, cls: str, fields: Mapping[str, Value]) -> Ref:
    return await at.database.change(lambda change: change.create(cls, fields))


async def uuid_of(at: Pool, cls: str, ref: Ref) -> str:
    return str(at.database.get(cls, ref)["uuid"])


async def test_a_list_has_the_form_that_scripts_cut_apart(at: Pool) -> None:
    ref = await made(at, "VM", {"name_label": "one", "power_state": "Running"})
    uuid = await uuid_of(at, "VM", ref)
    ran = await run(at, "vm-list")
    assert ran.out == [f"uuid ( RO)           : {uuid}\n     name-label ( RW): one\n    power-state ( RO): running\n\n"]
    assert ran.status == 0
    assert (await run(at, "vm-list", "--minimal")).out == [uuid]
    assert (await run(at, "vm-list", "params=name-label", "--minimal")).out == ["one"]


async def test_lists_are_filtered_and_templates_and_snapshots_have_their_own(at: Pool) -> None:
    await made(at, "VM", {"name_label": "a,b", "power_state": "Running", "other_config": {"k": "v"}, "tags": ("x",)})
    await made(at, "VM", {"name_label": "two", "power_state": "Halted"})
    await made(at, "VM", {"name_label": "tpl", "is_a_template": True})
    await made(at, "VM", {"name_label": "snap", "is_a_template": True, "is_a_snapshot": True})

    async def names(*args: str) -> str:
        return "".join((await run(at, *args, "params=name-label", "--minimal")).out)

    assert await names("vm-list", "power-state=running") == "a\\,b"
    assert await names("vm-list", "other-config:k=v") == "a\\,b"
    assert await names("vm-list", "tags:contains=x") == "a\\,b"
    assert await names("vm-list", "name-label=two") == "two"
    assert await names("vm-list", "name-label=none") == ""
    assert await names("template-list") == "tpl"
    assert await names("snapshot-list") == "snap"
    wrong = await run(at, "vm-list", "no-such-field=1")
    assert (wrong.status, wrong.err) == (1, "Error: VM has no field 'no-such-field'\n")


async def test_references_are_shown_as_uuids_and_as_names(at: Pool) -> None:
    vm = await made(at, "VM", {"name_label": "one"})
    network = await made(at, "network", {"name_label": "net"})
    await made(at, "VIF", {"VM": vm, "network": network, "device": "0"})
    (text,) = (await run(at, "vif-list", "params=vm-name-label,vm-uuid,network-name-label,metrics")).out
    assert [line.partition(": ")[2] for line in text.splitlines()] == [
        "one",
        await uuid_of(at, "VM", vm),
        "net",
        "<not in database>",
        "",
    ]


async def test_parameters_are_read_and_written_one_by_one(at: Pool) -> None:
    ref = await made(at, "network", {"name_label": "net", "other_config": {"a": "b"}})
    uuid = f"uuid={await uuid_of(at, 'network', ref)}"
    assert (await run(at, "network-param-get", uuid, "param-name=name-label")).out == ["net"]
    assert (await run(at, "network-param-get", uuid, "param-name=other-config", "param-key=a")).out == ["b"]
    assert (await run(at, "network-param-get", uuid, "param-name=other-config", "param-key=z")).status == 1
    assert (await run(at, "network-param-set", uuid, "name-label=new name", "MTU=9000", "other-config:a=c")).status == 0
    assert (await run(at, "network-param-add", uuid, "param-name=other-config", "x=y")).status == 0
    assert (await run(at, "network-param-add", uuid, "param-name=tags", "param-key=t1")).status == 0
    assert (await run(at, "network-param-add", uuid, "param-name=tags", "param-key=t2")).status == 0
    assert (await run(at, "network-param-remove", uuid, "param-name=tags", "param-key=t1")).status == 0
    record = at.database.get("network", ref)
    assert (record["name_label"], record["MTU"], record["tags"]) == ("new name", 9000, ("t2",))
    assert record["other_config"] == {"a": "c", "x": "y"}
    assert (await run(at, "network-param-remove", uuid, "param-name=other-config", "param-key=x")).status == 0
    assert (await run(at, "network-param-clear", uuid, "param-name=tags")).status == 0
    (listed,) = (await run(at, "network-param-list", uuid)).out
    assert "other-config (MRW): a: c\n" in listed
    assert "tags (SRW): \n" in listed
    assert listed.startswith("uuid ( RO)")


async def test_commands_call_the_api_for_the_vms_that_are_chosen(at: Pool) -> None:
    called: list[tuple[str, tuple[Value, ...]]] = []

    def remember(method: str) -> None:
        async def answer(context: Context, *params: Value) -> Value:
            assert context.superuser
            assert context.originator == "cli"
            called.append((method, params))
            return None

        at.implementations.register(method, answer)

    for method in ("VM.start", "VM.hard_shutdown"):
        remember(method)
    one, two = await made(at, "VM", {"name_label": "one"}), await made(at, "VM", {"name_label": "two"})
    await made(at, "VM", {"name_label": "dom0", "is_control_domain": True})
    assert (await run(at, "vm-start", "vm=one")).status == 0
    assert (await run(at, "vm-start", f"uuid={await uuid_of(at, 'VM', two)}")).status == 0
    many = await run(at, "vm-shutdown", "--force")
    assert (many.status, many.err.startswith("Error: Multiple matches")) == (1, True)
    assert (await run(at, "vm-shutdown", "--multiple", "force=true")).status == 0
    assert (await run(at, "vm-start", "vm=none")).err == "Error: No matching VMs found\n"
    assert called == [
        ("VM.start", (one, False, False)),
        ("VM.start", (two, False, False)),
        ("VM.hard_shutdown", (one,)),
        ("VM.hard_shutdown", (two,)),
    ]


async def test_members_of_enums_are_written_as_scripts_expect_them(at: Pool) -> None:
    ref = await made(at, "VM", {"name_label": "one", "actions_after_crash": "restart"})
    uuid = f"uuid={await uuid_of(at, 'VM', ref)}"
    assert (await run(at, "vm-param-get", uuid, "param-name=actions-after-crash")).out == ["Restart"]
    assert (await run(at, "vm-param-set", uuid, "actions-after-reboot=Destroy")).status == 0
    assert at.database.get("VM", ref)["actions_after_reboot"] == "destroy"


async def test_what_is_made_says_its_uuid(at: Pool) -> None:
    ran = await run(at, "network-create", "name-label=net", "other-config:a=b")
    (ref,) = at.database.rows("network")
    assert ran.out == [await uuid_of(at, "network", ref)]
    assert at.database.get("network", ref)["other_config"] == {"a": "b"}
    assert (await run(at, "network-destroy", f"uuid={ran.out[0]}")).status == 0
    assert not at.database.rows("network")


async def test_errors_of_the_api_and_of_the_user_end_with_status_1(at: Pool) -> None:
    failed = await run(at, "network-destroy", "uuid=no-such")
    assert (failed.status, failed.err) == (1, "Error: no network is called 'no-such', and none has it as its UUID\n")
    assert (await run(at, "vbd-plug", "uuid=no-such")).error == ("UUID_INVALID", "VBD", "no-such")
    assert (await run(at, "vm-fly")).err == "Unknown command: vm-fly\nFor usage run: 'xe help'\n"
    assert (await run(at, "network-create")).err == "Required parameter not found: name-label\n"
    assert (await run(at, "vdi-resize", "uuid=x")).status == 1
    assert "vm-start <vm-selectors>" in (await run(at, "help")).out[0]
    assert (await run(at, "help", "vm-clone")).out == ["xe vm-clone vm= new-name-label="]


async def test_a_password_is_needed_but_not_from_root_on_the_unix_socket(at: Pool) -> None:
    port = at.front.listener.http_ports[0]
    wrong = await xe(port, "vm-list", f"username={USER}", "password=wrong")
    assert (wrong.status, wrong.err) == (1, "Authentication failed\n")
    assert (await xe(at.path, "network-list")).status == 0
    assert (await xe(port, "session_id=OpaqueRef:x", "vm-list")).error == ("SESSION_INVALID", "OpaqueRef:x")
    assert not at.database.rows("session")


async def test_a_client_that_speaks_something_else_is_left(at: Pool) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        await xe(at.path, "vm-list", greeting=b"x" * 35)


async def test_what_a_plugin_answers_is_printed(at: Pool) -> None:
    host = await made(at, "host", {"name_label": "h"})

    async def answer(context: Context, ref: Ref, plugin: str, fn: str, args: Mapping[str, str]) -> Value:
        return f"{ref == host} {plugin} {fn} {dict(args)}"

    at.implementations.register("host.call_plugin", answer)
    words = (f"host-uuid={await uuid_of(at, 'host', host)}", "plugin=space", "fn=free", "args:path=/var")
    ran = await run(at, "host-call-plugin", *words)
    assert (ran.out, ran.status) == (["True space free {'path': '/var'}"], 0)
