"""The head of a suspend image."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kit.specs import spec, vm_id
from xenhost.core.ids import DomId
from xenhost.core.suspend import HEAD_SIZE, ImageHead, ImageState, image_size, read_head, write_head
from xenhost.core.units import GIB, MIB
from xenhost.core.vm import Vcpus, VmType

HEAD = ImageHead.of(spec(), DomId(7), ImageState.WHOLE)


def test_a_head_is_read_as_it_was_written() -> None:
    for state in ImageState:
        data = write_head(replace(HEAD, state=state))
        assert len(data) == HEAD_SIZE
        assert read_head(data + b"what the hypervisor writes") == replace(HEAD, state=state)


def test_another_version_or_nothing_at_all_is_no_image() -> None:
    data = write_head(HEAD)
    assert read_head(bytes(HEAD_SIZE)) is None
    assert read_head(b"") is None
    assert read_head(data[:8] + b"\2" + data[9:]) is None


@given(st.binary(max_size=64), st.integers(0, 90))
def test_no_damage_upsets_the_reader(damage: bytes, at: int) -> None:
    data = write_head(HEAD)
    found = read_head(data[:at] + damage + data[at + len(damage) :])
    assert found is None or isinstance(found.state, ImageState)


def test_an_image_fits_the_vm_it_is_of_and_copies_of_that_as_long_as_they_have_its_size() -> None:
    assert HEAD.fits(replace(spec(), name="another", suspended=None))
    assert HEAD.fits(replace(spec(), id=vm_id(2)))
    assert not HEAD.fits(spec(mib=65))
    assert not HEAD.fits(replace(spec(), vcpus=Vcpus(2, 1)))
    assert not HEAD.fits(replace(spec(), type=VmType.PVH))


def test_an_image_has_room_for_all_memory_and_what_describes_it() -> None:
    assert image_size(GIB) == 1391 * MIB
    assert image_size(MIB) % MIB == 0
