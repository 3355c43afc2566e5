"""Records that make no sense, such as an import may bring, are refused with the field, and never a fault of ours."""

from pathlib import Path
from typing import Any

import pytest

from kit.clock import FakeClock
from kit.pool_heart import heart
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError
from xenhost.pool.vms.spec import vif_spec, vm_spec

VM: dict[str, Any] = {"PV_kernel": "/boot/kernel", "VCPUs_max": 2, "VCPUs_at_startup": 1, "memory_static_max": MIB}
VIF: dict[str, Any] = {"device": "0", "MTU": 1500}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"VCPUs_max": 1 << 40}, ["INVALID_VALUE", "VCPUs_max", str(1 << 40)]),
        ({"VCPUs_max": 0}, ["INVALID_VALUE", "VCPUs_max", "0"]),
        ({"VCPUs_at_startup": -1}, ["INVALID_VALUE", "VCPUs_at_startup", "-1"]),
        ({"VCPUs_at_startup": 3}, ["VALUE_NOT_SUPPORTED", "VCPUs-at-startup", "3", "value greater than VCPUs-max"]),
        ({"memory_static_max": -1}, ["INVALID_VALUE", "memory_static_max", "-1"]),
        ({"VCPUs_params": {"weight": "²"}}, ["INVALID_VALUE", "VCPUs_params:weight", "²"]),
    ],
)
async def test_a_vm_that_makes_no_sense(tmp_path: Path, fields: dict[str, Any], error: list[str]) -> None:
    async with heart(tmp_path, FakeClock(auto=False)) as found:
        vm = await found.make("VM", **VM | fields)
        with pytest.raises(ApiError) as caught:
            vm_spec(found.database, vm)
        assert caught.value.as_xenapi() == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"device": "first"}, ["INVALID_VALUE", "device", "first"]),
        ({"device": "9" * 5000}, ["INVALID_VALUE", "device", "9" * 100]),
        ({"MTU": -1}, ["INVALID_VALUE", "MTU", "-1"]),
        ({"MTU": 1 << 40}, ["INVALID_VALUE", "MTU", str(1 << 40)]),
        ({"trunks": (1 << 40,)}, ["INVALID_VALUE", "trunks", str(1 << 40)]),
    ],
)
async def test_a_vif_that_makes_no_sense(tmp_path: Path, fields: dict[str, Any], error: list[str]) -> None:
    async with heart(tmp_path, FakeClock(auto=False)) as found:
        vif = await found.make("VIF", **VIF | fields, network=await found.make("network"))
        with pytest.raises(ApiError) as caught:
            vif_spec(found.database, vif)
        assert caught.value.as_xenapi() == error


@pytest.mark.parametrize(
    ("kbps", "rate"), [("100", 100), ("²", 0), ("-1", 0), ("", 0), ("9" * 5000, 0), (str(1 << 40), 0)]
)
async def test_a_limit_that_makes_no_sense_is_none(tmp_path: Path, kbps: str, rate: int) -> None:
    async with heart(tmp_path, FakeClock(auto=False)) as found:
        limit: dict[str, Any] = {"qos_algorithm_type": "ratelimit", "qos_algorithm_params": {"kbps": kbps}}
        vif = await found.make("VIF", **VIF | limit, network=await found.make("network"))
        assert vif_spec(found.database, vif).rate_kbps == rate
