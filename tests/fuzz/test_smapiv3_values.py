"""Whatever JSON a plugin answers with, it is read, or refused as a failure of the plugin."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenhost.core.storage import SrId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.core.units import MIB
from xenhost.sm.smapiv3 import changes, implementations, volumes
from xenhost.sm.smapiv3.values import BadVolume, Reader

RECORDS = (
    ("key", "uuid", "name", "virtual_size", "physical_utilisation", "uri", "keys", "volume_type", "cbt_enabled"),
    ("sr", "uuid", "free_space", "total_space", "health", "configuration", "complete", "extra_info"),
    ("plugin", "features", "configuration", "required_api_version", "implementations", "granularity", "bitmap"),
)
WORDS = ("Healthy", "File", "Nbd", "XenDisk", "BlockDevice", "/dev/null", "AA==", "xenhost-id", "5.0", "true")
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
INNER = LEAF | st.lists(LEAF | st.lists(LEAF, max_size=2), max_size=3) | st.dictionaries(st.text(max_size=4), LEAF)
RECORD = st.sampled_from(RECORDS).flatmap(lambda names: st.dictionaries(st.sampled_from(names), INNER)) | INNER
SR = SrId("5f3a1c1e-0000-4000-8000-00000000000a")


def _volume(value: object) -> None:
    volume = Reader("x").volume(value)
    id = volumes.id_of(SR, volume)
    volumes.vdi_of(id, volume, {volume.key: id}, "x")


def _volumes(value: object) -> None:
    for each in Reader("x").volumes([value, value]):
        if isinstance(each, BadVolume):
            volumes.bad_vdi(volumes.id_of(SR, each), each, "x")


READERS: dict[str, Callable[[object], object]] = {
    "volume": _volume,
    "volumes": _volumes,
    "sr": lambda value: Reader("x").sr(value),
    "query": lambda value: Reader("x").query(value),
    "probe": lambda value: Reader("x").probe([value]),
    "implementations": lambda value: implementations.backends(implementations.read(value)),
    "changes": lambda value: changes.bitmap(value, MIB),
}


@pytest.mark.parametrize("reader", READERS)
@given(value=RECORD)
@settings(max_examples=100, deadline=None)
def test_any_json(reader: str, value: object) -> None:
    with contextlib.suppress(SrBackendFailure):
        READERS[reader](value)


def test_pairs_whose_keys_are_no_texts_are_left_out() -> None:
    pairs = [[["a"], "b"], ["c", "d"], [5, "e"], ["f"]]
    assert Reader("x").texts({"keys": pairs}, "keys") == {"c": "d"}
