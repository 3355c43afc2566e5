"""XML-RPC and JSON-RPC over real connections, down to the bytes."""

import asyncio
import json
import ssl
from dataclasses import replace
from pathlib import Path

from kit.http import exchange
from kit.pool_wire import PASSWORD, USER, Wire, echo, wire
from xenhost.pool.call import ApiError, Context, Role, Value
from xenhost.pool.wire.bounds import MAX_BATCH_ANSWERS

XML = "<?xml version='1.0'?><methodCall><methodName>{}</methodName><params>{}</params></methodCall>"


async def post(port: int, path: str, body: str) -> tuple[str, str]:
    """Head and body of the answer."""
    head = f"POST {path} HTTP/1.0\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    answer = (await exchange(port, head.encode() + body.encode())).decode()
    head, _, text = answer.partition("\r\n\r\n")
    return head, text


async def xml(at: Wire, method: str, *params: str, path: str = "/RPC2") -> str:
    document = XML.format(method, "".join(f"<param><value>{param}</value></param>" for param in params))
    head, text = await post(at.http, path, document)
    assert "\r\nContent-Type: text/xml\r\n" in head + "\r\n"
    return text


async def rpc(at: Wire, method: str, *params: object, two: bool = True, path: str = "/jsonrpc") -> object:
    request = {"method": method, "params": list(params), "id": 0} | ({"jsonrpc": "2.0"} if two else {})
    head, text = await post(at.http, path, json.dumps(request))
    assert "\r\nContent-Type: application/json\r\n" in head + "\r\n"
    return json.loads(text)


async def login(at: Wire, originator: str = "test") -> str:
    answer = await rpc(at, "session.login_with_password", USER, PASSWORD, "1.0", originator)
    assert isinstance(answer, dict)
    return str(answer["result"])


async def test_every_path_that_clients_use_is_answered(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        for path in ("/", "/RPC2", "/xmlrpc", "/anything/else", "//"):
            assert "MESSAGE_METHOD_UNKNOWN" in await xml(at, "no.such", path=path)
        for path in ("/jsonrpc", "/json"):
            answer = await rpc(at, "no.such", path=path)
            assert answer == {
                "jsonrpc": "2.0",
                "error": {"code": 1, "message": "MESSAGE_METHOD_UNKNOWN", "data": ["no.such"]},
                "id": 0,
            }
        assert await rpc(at, "no.such", two=False) == {
            "result": None,
            "error": ["MESSAGE_METHOD_UNKNOWN", "no.such"],
            "id": 0,
        }


async def test_the_answer_to_a_login_and_a_call_is_exactly_what_xapi_writes(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("VM.get_all", echo(12, "a<b"))
        session = await login(at)
        assert await xml(at, "VM.get_all", session) == (
            '<?xml version="1.0"?><methodResponse><params><param><value><struct>'
            "<member><name>Status</name><value>Success</value></member>"
            "<member><name>Value</name><value><array><data><value>12</value><value>a&lt;b</value></data></array></value>"
            "</member></struct></value></param></params></methodResponse>"
        )
        assert await xml(at, "VM.get_all", "OpaqueRef:x") == (
            '<?xml version="1.0"?><methodResponse><params><param><value><struct>'
            "<member><name>Status</name><value>Failure</value></member>"
            "<member><name>ErrorDescription</name><value><array><data><value>SESSION_INVALID</value>"
            "<value>OpaqueRef:x</value></data></array></value></member></struct></value></param></params>"
            "</methodResponse>"
        )


async def test_methods_also_answer_to_their_names_with_an_underscore(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("event.from", echo())
        answer = await rpc(at, "event_from", await login(at), ["*"], "", 60.1)
        assert answer == {"jsonrpc": "2.0", "result": [["*"], "", 60.1], "id": 0}


async def test_list_methods_needs_no_session_and_is_not_wrapped(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("VM.start", echo())
        text = await xml(at, "system.listMethods")
        assert text.startswith(
            '<?xml version="1.0"?><methodResponse><params><param><value><array><data><value>VM.start<'
        )
        assert "Status" not in text
        answer = await rpc(at, "system.listMethods")
        assert isinstance(answer, dict)
        assert "session.logout" in answer["result"]
        assert "<value>void</value><value>session ref</value><value>ref VM</value>" in await xml(
            at, "system.methodSignature", "VM.start"
        )
        assert "methodHelp" not in await xml(at, "system.methodHelp", "VM.start")


async def test_a_batch_is_answered_in_order_and_notifications_not_at_all(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        done: list[Value] = []

        async def note(context: Context, value: Value) -> Value:
            done.append(value)
            return value

        at.methods.register("x.note", note)
        session = await login(at)
        batch = [
            {"jsonrpc": "2.0", "method": "x.note", "params": [session, 1], "id": "a"},
            {"jsonrpc": "2.0", "method": "x.note", "params": [session, 2]},
            {"jsonrpc": "2.0", "method": "x.none", "params": [session], "id": "b"},
        ]
        _, text = await post(at.http, "/jsonrpc", json.dumps(batch))
        assert [each["id"] for each in json.loads(text)] == ["a", "b"]
        assert done == [1, 2]


async def test_a_batch_ends_when_its_answers_are_too_long_and_has_no_methods_of_system(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        done: list[int] = []

        async def long(context: Context) -> Value:
            done.append(1)
            return "a" * (MAX_BATCH_ANSWERS // 4)

        at.methods.register("x.long", long)
        session = await login(at)
        batch = [{"jsonrpc": "2.0", "method": "x.long", "params": [session], "id": number} for number in range(8)]
        _, text = await post(at.http, "/jsonrpc", json.dumps([{"method": "system.listMethods", "id": "l"}, *batch]))
        answers = json.loads(text)
        assert [each["id"] for each in answers] == ["l", *range(8)]
        assert answers[0]["error"][0] == "MALFORMED_REQUEST"
        assert ["result" in each for each in answers[1:]] == [True] * 4 + [False] * 4
        assert answers[-1]["error"]["code"] == -32600
        assert len(done) == 4


async def test_the_list_of_methods_is_that_of_now(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        for name in ("x.first", "x.second"):
            at.methods.register(name, echo())
            for _ in range(2):
                found = await rpc(at, "system.listMethods")
                assert isinstance(found, dict)
                assert name in found["result"]
                assert f"<value>{name}</value>" in await xml(at, "system.listMethods")


async def test_what_is_no_document_gets_a_fault_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        assert "<fault>" in (await post(at.http, "/", "<methodCall"))[1]
        assert json.loads((await post(at.http, "/jsonrpc", "{"))[1])["error"]["code"] == -32700
        head, _ = await post(at.http, "/", "x" * (2 << 20))
        assert head.startswith("HTTP/1.1 413")


async def test_a_browser_of_another_origin_is_let_in(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        answer = (await exchange(at.http, b"OPTIONS /jsonrpc HTTP/1.0\r\n\r\n")).decode()
        assert "\r\nAccess-Control-Allow-Origin: *\r\n" in answer
        assert "\r\nAccess-Control-Allow-Headers: X-Requested-With, Content-Type\r\n" in answer
        head, _ = await post(at.http, "/jsonrpc", "{}")
        assert "\r\nAccess-Control-Allow-Origin: *" in head


async def test_a_session_ends_with_its_logout(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        session = await login(at)
        assert "Success" in await xml(at, "session.logout", session)
        assert "SESSION_INVALID" in await xml(at, "session.logout", session)
        assert [why for _, why in at.ended] == ["logout"]
        assert "MESSAGE_PARAMETER_COUNT_MISMATCH" in await xml(at, "session.logout")
        assert "SESSION_INVALID" in await xml(at, "session.logout", "<array><data/></array>")


async def test_a_role_that_may_not_is_told_who_may(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("VM.start", echo())
        at.methods.register("VM.add_to_other_config", echo())
        at.methods.roles["VM.start"] = frozenset({Role.POOL_ADMIN, Role.VM_OPERATOR})
        at.methods.roles["VM.add_to_other_config"] = frozenset({Role.POOL_ADMIN})
        at.methods.keys["VM.add_to_other_config"] = {"folder": frozenset(Role), "xo:*": frozenset({Role.VM_ADMIN})}
        reader = await login(at)
        session = at.sessions.all()[0]
        at.sessions.remove(session.ref, "")
        at.sessions.add(replace(session, superuser=False, user="eve", roles=frozenset({Role.READ_ONLY})))
        assert await rpc(at, "VM.start", reader, "OpaqueRef:1") == {
            "jsonrpc": "2.0",
            "error": {
                "code": 1,
                "message": "RBAC_PERMISSION_DENIED",
                "data": [
                    "vm.start",
                    "No permission in user session. (Roles with this permission: pool-admin, vm-operator)",
                ],
            },
            "id": 0,
        }
        allowed = await rpc(at, "VM.add_to_other_config", reader, "OpaqueRef:1", "folder", "x")
        assert isinstance(allowed, dict)
        assert "result" in allowed
        assert "vm.add_to_other_config/key:xo:*" in await xml(at, "VM.add_to_other_config", reader, "r", "xo:a", "x")
        assert "vm.add_to_other_config<" in await xml(at, "VM.add_to_other_config", reader, "r", "other", "x")
        await at.audit.flush()
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
        assert [(each["user"], each["action"], each["result"]) for each in lines] == [
            ("", "session.login_with_password", "ok"),
            ("eve", "VM.start", "RBAC_PERMISSION_DENIED"),
            ("eve", "VM.add_to_other_config", "ok"),
            ("eve", "VM.add_to_other_config", "RBAC_PERMISSION_DENIED"),
            ("eve", "VM.add_to_other_config", "RBAC_PERMISSION_DENIED"),
        ]


async def test_secrets_are_in_no_log_and_references_of_sessions_neither(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("VM.add_to_other_config", echo())
        at.methods.register("secret.create", echo())
        session = await login(at)
        await rpc(at, "session.login_with_password", USER, "wrong-secret")
        await rpc(at, "VM.add_to_other_config", session, "OpaqueRef:1", "chap_password", "hidden-secret")
        await rpc(at, "secret.create", session, {"value": "hidden-secret"})
        await at.audit.flush()
        text = (tmp_path / "audit.log").read_text()
        assert text.count("\n") == 4
        assert "secret.create" in text
        assert "-secret" not in text
        assert PASSWORD not in text
        assert session not in text
        assert at.sessions.all()[0].uuid in text


async def test_a_wait_for_events_ends_when_its_client_goes(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def wait(context: Context, *params: Value) -> Value:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()
            raise ApiError("NEVER")

        at.methods.register("event.from", wait)
        session = await login(at)
        body = XML.format("event.from", f"<param><value>{session}</value></param>").encode()
        _, writer = await asyncio.open_connection("127.0.0.1", at.http)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await asyncio.wait_for(begun.wait(), 10)
        writer.close()
        await asyncio.wait_for(cancelled.wait(), 10)


async def test_a_large_answer_lets_others_have_their_turn(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        records: Value = {f"OpaqueRef:{index}": {"name_label": "x" * 50, "index": index} for index in range(20_000)}

        async def all_records(context: Context) -> Value:
            return records

        at.methods.register("VM.get_all_records", all_records)
        at.methods.register("VM.get_all", echo("small"))
        session = await login(at)
        large = asyncio.create_task(xml(at, "VM.get_all_records", session))
        small = 0
        while not large.done():
            await xml(at, "VM.get_all", session)
            small += 1
        assert small > 3
        assert (await large).count("name_label") == 20_000


async def test_the_page_says_what_this_is_and_other_paths_are_not_found(tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        assert b"version 1.2.3" in await exchange(at.http, b"GET / HTTP/1.0\r\n\r\n")
        assert (await exchange(at.http, b"GET /etc/passwd HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 404")
        assert (await exchange(at.http, b"DELETE / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 405")


async def test_with_https_alone_plain_http_says_where_it_is(tmp_path: Path) -> None:
    async with wire(tmp_path, https=True, https_only=True) as at:
        answer = await exchange(at.http, b"GET /?a HTTP/1.1\r\nHost: pool:80\r\nConnection: close\r\n\r\n")
        assert f"\r\nLocation: https://pool:{at.https}/?a\r\n".encode() in answer
        assert answer.startswith(b"HTTP/1.1 301")
        assert (await post(at.http, "/", "x"))[0].startswith("HTTP/1.1 403")
        strange = await exchange(at.http, b"GET / HTTP/1.1\r\nHost: p\xf6\xf6l\r\nConnection: close\r\n\r\n")
        assert strange.startswith(b"HTTP/1.1 403")


async def test_browsers_are_told_to_stay_with_https_if_that_is_wanted(tmp_path: Path) -> None:
    async with wire(tmp_path, https=True, hsts_seconds=600) as at:
        context = ssl.create_default_context(cafile=str(tmp_path / "tls/xenpoold.crt"))
        secure = await exchange(at.https, b"GET / HTTP/1.0\r\n\r\n", tls=context)
        assert b"\r\nStrict-Transport-Security: max-age=600\r\n" in secure
        assert b"Strict-Transport" not in await exchange(at.http, b"GET / HTTP/1.0\r\n\r\n")
