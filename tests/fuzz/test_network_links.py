"""What the kernel says of links is never too odd to be read: names and aliases in it come from anybody."""

from hypothesis import given
from hypothesis import strategies as st

from xenhost.drivers.network.linux.links import LINK_HEADER, parse_link, parse_neighbour
from xenhost.drivers.network.linux.vif_rules import parse_listing
from xenhost.system.netlink import attributes, messages

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_word(untrusted_body: bytes) -> None:
    link = parse_link(LINK_HEADER.pack(0, 0, 1, 0, 0) + untrusted_body)
    assert link.index == 1
    parse_link(untrusted_body)
    parse_neighbour(untrusted_body)
    assert sum(4 + len(value) for _, value in attributes(untrusted_body)) <= len(untrusted_body)
    assert sum(16 + len(body) for *_, body in messages(untrusted_body)) <= len(untrusted_body)


@given(st.lists(st.dictionaries(st.sampled_from(["map", "set"]), json_values)))
def test_any_listing_is_read_without_a_word(untrusted_objects: list[dict[str, object]]) -> None:
    for names in parse_listing(untrusted_objects):
        assert all(isinstance(each, str) for each in names)
