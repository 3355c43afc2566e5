"""Parsers of what kernel and files say of network cards: they never raise but what they promise, and never hang."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from xenhost.drivers.network.nics import links, modprobe_file, order_file
from xenhost.drivers.network.nics.ethtool import parse_features, parse_link_modes
from xenhost.drivers.network.nics.links import RTM_DELLINK, RTM_NEWLINK
from xenhost.drivers.network.nics.names import look_up
from xenhost.drivers.network.nics.order_file import OrderUnreadable
from xenhost.system import netlink

NUMBERS = st.integers(0, 70)
ATTRIBUTES = st.recursive(
    st.builds(netlink.attribute, NUMBERS, st.binary(max_size=40)),
    lambda inner: st.builds(netlink.nested, NUMBERS, st.lists(inner, max_size=4)),
    max_leaves=12,
)
BODIES = st.lists(ATTRIBUTES, max_size=6).map(b"".join)


def _cut(data: bytes, keep: int) -> bytes:
    return data[: keep % (len(data) + 1)]


@given(
    st.sampled_from([RTM_NEWLINK, RTM_DELLINK, 2, 3, 20]),
    st.sampled_from([0, 0, 0, 7]),
    BODIES,
    st.integers(0, 1 << 16),
    st.binary(max_size=20),
)
def test_messages_about_links(type_: int, family: int, body: bytes, keep: int, noise: bytes) -> None:
    payload = struct.pack("=BxHiII", family, 1, 3, 1, 0) + body
    message = struct.pack("=IHHII", 16 + len(payload), type_, 0, 0, 0) + payload
    for data in (message, message + noise, _cut(message * 2, keep), noise + message):
        for event in links.events(data):
            assert event.link.name
            assert "/" not in event.link.name


@given(BODIES, st.integers(0, 1 << 16))
def test_answers_of_ethtool(body: bytes, keep: int) -> None:
    answer = netlink.read_attributes(_cut(body, keep))
    assert parse_link_modes(answer).advertised < 1 << 1024
    parse_features(answer)


@given(st.text(max_size=300) | st.from_regex(r'\{"version": 1, "nics": \[\{"position": (0|1e9|"x"|null|\{\})\}\]\}'))
def test_files_with_an_order(text: str) -> None:
    try:
        order = order_file.parse(text)
    except OrderUnreadable:
        return
    assert order_file.parse(order_file.render(order)) == order


WORDS = st.sampled_from(
    ["# VFs-param: p", "# VFs-maxvfs-by-user: 3", "options igb p=1", "options igb", "\t", "\0", "é"]
)


@given(st.lists(WORDS | st.text(max_size=20), max_size=8).map("\n".join), st.integers(0, 64))
def test_files_of_modprobe(text: str, count: int) -> None:
    modprobe_file.parse(text)
    once = modprobe_file.render(text, "igb", "p", [count])
    assert f"p={count}" in once.splitlines()[-1].split()
    assert modprobe_file.render(once, "igb", "p", [count]) == once


@given(st.lists(st.text(max_size=30).map(lambda text: text + "\n"), max_size=10))
def test_lines_of_pci_ids(lines: list[str]) -> None:
    maker, model = look_up(["1af4  Red Hat\n", *lines], "1af4", "1000")
    assert maker == "Red Hat"
    assert "\n" not in model.strip("\n")
