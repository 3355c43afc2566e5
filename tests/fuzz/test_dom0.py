"""What plugins print, callers ask for, and tools of dom0 say: an answer or an error of ours, never anything else."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
from hypothesis import given
from hypothesis import strategies as st

from xenhost.agent.dom0.config import PluginSettings
from xenhost.agent.dom0.machine import NtpMode, read_cstate
from xenhost.agent.dom0.ntp import OURS, chrony_conf, chrony_servers, properties
from xenhost.agent.dom0.plugins import MAX_ITEM, MAX_ITEMS, Plugins, as_json, extension_answer, from_json, plugin_answer
from xenhost.agent.rpc.convert.dom0 import destination, hostname, iqn, keys, time_servers
from xenhost.core.errors import InvalidValue
from xenhost.sm.command import Commands
from xenhost.system import xmlrpc
from xenhost.system.xml_tree import CodecError

WORDS = st.sampled_from(
    (
        *("<methodResponse>", "</methodResponse>", "<params><param>", "</param></params>", "<value>", "</value>"),
        *("<struct>", "</struct>", "<member><name>Status</name>", "<member><name>ErrorDescription</name>"),
        *(
            "<member><name>Value</name>",
            "</member>",
            "<array><data>",
            "</data></array>",
            "Success",
            "Failure",
            "<nil/>",
        ),
        *("<!DOCTYPE x>", "&x;", "]]>", "\0"),
    )
)
PRINTED = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=25).map("".join))
LEAVES = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=10)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
STRUCTS = st.fixed_dictionaries(
    {"Status": st.sampled_from(["Success", "Failure", ""])}, optional={"Value": VALUES, "ErrorDescription": VALUES}
)


@given(PRINTED)
def test_whatever_a_plugin_prints_is_an_answer(text: str) -> None:
    for answer in (plugin_answer(text), extension_answer("/path", text)):
        assert len(answer.failure) <= MAX_ITEMS
        assert all(len(item) <= MAX_ITEM for item in answer.failure)


@given(STRUCTS)
def test_a_struct_of_anything_is_an_answer(struct: dict[str, xmlrpc.Value]) -> None:
    try:
        document = xmlrpc.dump_response(struct)
    except CodecError:
        return  # XML cannot hold it
    answer = plugin_answer(document)
    assert bool(answer.failure) is not (struct["Status"] == "Success" and isinstance(struct.get("Value"), str))
    other = extension_answer("/path", document)
    assert other.failure or json.loads(as_json(other.value)) == struct["Value"]


@given(st.text(max_size=100))
def test_parameters_of_extensions_are_a_list_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(from_json(text), list)


@given(st.text(max_size=60))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    async def call() -> tuple[str, ...]:
        with tempfile.TemporaryDirectory() as folder:
            settings = PluginSettings((Path(folder),), (Path(folder),), 1.0)
            return (await Plugins(settings, Commands(), structlog.get_logger()).call(name, "fn", "", {})).failure

    assert asyncio.run(call()) == ("XENAPI_MISSING_PLUGIN", name)


@given(st.text(max_size=80))
def test_what_becomes_a_word_of_a_command_or_a_file_has_no_other_meaning(text: str) -> None:
    readers: tuple[Callable[[str], str], ...] = (hostname, destination, iqn, keys)
    for read in readers:
        try:
            found = read(text)
        except InvalidValue:
            continue
        assert found == text
        assert not text.startswith("-")
        assert text.isprintable()
        assert " " not in text
    try:
        servers = time_servers(NtpMode.CUSTOM, [text])
    except InvalidValue:
        pass
    else:
        assert servers == (text,)
        assert text.isascii()
        assert text.split() == [text]
    with contextlib.suppress(InvalidValue):
        read_cstate(text)


@given(st.text(max_size=200), st.lists(st.sampled_from(["a", "192.0.2.1", "::1"]), max_size=3))
def test_what_tools_say_is_read_and_files_are_as_they_were(text: str, servers: list[str]) -> None:
    properties(text)
    chrony_servers(text)
    lines = [line for line in text.splitlines() if not line.startswith(OURS) and "by xenhost" not in line]
    plain = "".join(f"{line}\n" for line in lines)
    assert chrony_conf(chrony_conf(plain, servers), []) == plain
