"""Whatever heads, credentials and command lines a hostile client sends: an answer, or one clear error."""

import contextlib
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.audit.entry import shown
from xenhost.pool.call import Method, Role, Value
from xenhost.pool.cli_server.arguments import CliError, parse, to_bytes
from xenhost.pool.cli_server.protocol import CliProtocolError, check_greeting
from xenhost.pool.wire.access import permission
from xenhost.pool.wire.gate import credentials_of
from xenhost.system.http.body import Body
from xenhost.system.http.message import Connection, Headers, HttpError, Peer, Request

LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def request(target: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", target, "1.1", Headers(headers), cast(Body, None), Peer(), cast(Connection, None))


@given(LATIN | st.text(alphabet="/?&=%#:;+ab0", max_size=200))
def test_any_target_has_a_path_and_a_query(target: str) -> None:
    try:
        made = request(target)
    except HttpError:
        return
    assert isinstance(made.path, str)
    made.arg("session_id")


@given(LATIN, LATIN)
def test_any_cookie_and_any_credentials_are_read_or_not(cookie: str, credentials: str) -> None:
    made = request("/", ("Cookie", cookie), ("Authorization", f"Basic {credentials}"))
    assert isinstance(made.cookie("session_id"), str)
    found = credentials_of(made)
    assert found is None or len(found) == 2


@given(st.binary(max_size=500))
def test_any_command_line_of_xe_is_one_or_a_clear_error(untrusted: bytes) -> None:
    with contextlib.suppress(CliError):
        parse(untrusted)
    with contextlib.suppress(CliError):
        to_bytes("size", untrusted.decode(errors="replace"))
    with contextlib.suppress(CliProtocolError):
        check_greeting(untrusted)


@given(st.lists(VALUES, max_size=4))
def test_any_parameters_are_shown_in_the_audit_log_and_have_a_permission(params: list[Value]) -> None:
    method = Method("VM.add_to_other_config", False, True, frozenset(Role), {"a*": frozenset()}, frozenset({0}))
    found = shown(method, params)
    assert len(found) == len(params) or found[-1] == f"… {len(params) - len(found) + 1} more"
    assert permission(method, params)[0].startswith("vm.add_to_other_config")
