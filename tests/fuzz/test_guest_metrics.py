"""Whatever a guest writes: fields of bounded size come of it, never an error."""

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.guest_metrics import MAX_ENTRIES, GuestData, guest_metrics

PARTS = st.sampled_from(
    [
        "attr",
        "data",
        "drivers",
        "control",
        "vif",
        "eth0",
        "ip",
        "ipv4",
        "ipv6",
        "addr",
        "0",
        "00",
        "1",
        "99999",
        "volumes",
    ]
)
PATHS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=6).map("/".join),
    st.text(alphabet="abcxyz019-/_@", max_size=40),
    st.sampled_from(["data/updated", "data/meminfo_free", "data/cant_suspend_reason", "feature/hotplug/vbd"]),
)
VALUES = st.one_of(st.text(max_size=50), st.sampled_from(["10.0.0.1", "fd00::1%eth0", "1", "²", "0x1"]))


@given(st.dictionaries(PATHS, VALUES, max_size=40))
def test_any_nodes(nodes: dict[str, str]) -> None:
    metrics = guest_metrics(GuestData(nodes))
    for field in fields(metrics):
        value = getattr(metrics, field.name)
        assert not isinstance(value, dict) or len(value) <= MAX_ENTRIES + 2
    assert all(number.isascii() and number.isdigit() for number in metrics.memory.values())
