from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.pool_heart import heart
from xenhost.core.units import GIB, MIB
from xenhost.pool.vms import overhead
from xenhost.pool.vms.overhead import Shape

shapes = st.builds(
    Shape, st.sampled_from(["pv", "pvh", "pv_in_pvh", "hvm"]), st.integers(1, 64), st.floats(1, 10, allow_nan=False)
)


@pytest.mark.parametrize(
    ("shape", "static_max", "mib"),
    [
        (Shape("hvm", 2, 1.0), 4 * GIB, 37),
        (Shape("pvh", 2, 1.0), 4 * GIB, 37),
        (Shape("pv", 2, 4.0), 4 * GIB, 36),
        (Shape("hvm", 2, 2.0), 4 * GIB, 71),
        (Shape("pv_in_pvh", 1, 1.0), 900 * MIB, 2 + 9 + 1 + 33),
        (Shape("hvm", 1, 1.0), 1, 1 + 1 + 2 + 1),
    ],
)
def test_the_overhead_is_as_xapi_counts_it(shape: Shape, static_max: int, mib: int) -> None:
    assert shape.overhead(static_max) == mib * MIB


@given(shapes, st.integers(0, 4096 * GIB))
def test_the_most_memory_fits_and_a_mib_more_does_not(shape: Shape, total: int) -> None:
    most = shape.most(total)
    assert most % MIB == 0
    if most:
        assert most + shape.overhead(most) <= total
    assert most + MIB + shape.overhead(most + MIB) > total


async def test_the_overhead_follows_what_changes_it(tmp_path: Path) -> None:
    async with heart(tmp_path) as found:
        found.database.follow(overhead.follow)
        vm = await found.make("VM", VCPUs_max=2, memory_static_max=4 * GIB, domain_type="hvm")
        assert await found.call("VM.get_memory_overhead", vm) == 37 * MIB
        await found.database.change(lambda t: t.set("VM", vm, {"HVM_shadow_multiplier": 2.0}))
        assert await found.call("VM.get_memory_overhead", vm) == 71 * MIB
        for wild in ({"HVM_shadow_multiplier": 1e300}, {"VCPUs_max": 1 << 62}, {"memory_static_max": (1 << 63) - 1}):
            await found.database.change(lambda t, w=wild: t.set("VM", vm, w))  # type: ignore[misc] # bound now
            assert 0 < int(str(await found.call("VM.get_memory_overhead", vm))) < 1 << 63
