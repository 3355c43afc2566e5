"""What the helper is asked to do, and how its failures are told."""

import errno
from dataclasses import replace

import pytest

from unit.drivers.xen.conftest import spec
from xenhost.core.errors import DomainBuildFailed, HostNotEnoughFreeMemory, NotImplementedHere
from xenhost.core.ids import DomId
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, FirmwareBoot, Memory, Vcpus, VmType
from xenhost.drivers.xen.build import Firmware, build_failed, build_request, ceiling, deadline
from xenhost.native.domain_helper import GuestKind, HelperFailure, encode

FIVE = DomId(5)
FIRMWARE = Firmware("/hvmloader", "/bios")


def test_a_pv_guest_gets_its_kernel_and_no_firmware() -> None:
    vm = replace(spec(), boot=DirectBoot("/k", "/r", "quiet"))
    request = build_request(FIVE, vm, DirectBoot("/k", "/r", "quiet"), FIRMWARE)
    assert (request.kind, request.kernel, request.ramdisk, request.command_line) == (GuestKind.PV, "/k", "/r", "quiet")
    assert (request.firmware, request.bios, request.paging_pool, request.online_vcpus) == (None, None, 0, None)
    encode(request)


def test_a_guest_that_starts_ballooned_is_held_to_its_target() -> None:
    vm = replace(spec(), memory=Memory(256 * MIB, 128 * MIB, 64 * MIB))
    request = build_request(FIVE, vm, DirectBoot("/k"), FIRMWARE)
    assert (request.max_memory, request.target_memory) == (256 * MIB, 128 * MIB)
    assert request.xen_max_memory == 129 * MIB == ceiling(vm, 128 * MIB)


def test_a_pvh_guest_starts_with_the_vcpus_it_wants() -> None:
    vm = spec(VmType.PVH, vcpus=Vcpus(maximum=4, at_startup=2))
    request = build_request(FIVE, vm, DirectBoot("/k"), FIRMWARE)
    assert (request.kind, request.vcpus, request.online_vcpus) == (GuestKind.PVH, 4, (0, 1))
    assert request.paging_pool > 0
    encode(request)


def test_an_hvm_guest_gets_firmware_and_leaves_its_kernel_to_the_device_model() -> None:
    for boot in (FirmwareBoot(), DirectBoot("/k")):
        vm = replace(spec(VmType.HVM), boot=boot, platform={"timeoffset": "-60", "viridian": "1", "acpi": "0"})
        request = build_request(FIVE, vm, None, FIRMWARE)
        assert (request.kernel, request.firmware, request.bios) == (None, "/hvmloader", "/bios")
        assert (request.rtc_offset, request.acpi, bool(request.viridian)) == (-60, False, True)
        assert request.video_memory == 4 * MIB
        assert request.max_memory == 128 * MIB
        encode(request)


@pytest.mark.parametrize("offset", ["", "x", "1e3", "99999999999", "--5", "\u0663"])
def test_a_time_offset_that_is_no_number_counts_as_none(offset: str) -> None:
    vm = replace(spec(VmType.PVH), platform={"timeoffset": offset})
    assert build_request(FIVE, vm, DirectBoot("/k"), FIRMWARE).rtc_offset == 0


def test_a_pv_guest_without_kernel_is_refused() -> None:
    with pytest.raises(NotImplementedHere):
        build_request(FIVE, spec(), None, FIRMWARE)


def test_a_failure_names_the_call_and_the_vm() -> None:
    vm = spec()
    error = build_failed(vm, HelperFailure("failed", errno.ENOENT, "open:kernel", "no such file"))
    assert isinstance(error, DomainBuildFailed)
    assert error.values == {"vm": vm.id, "function": "open:kernel", "msg": "no such file (errno ENOENT)"}


def test_a_lack_of_memory_is_told_as_such_only_if_the_host_lacks_it() -> None:
    failure = HelperFailure("failed", errno.ENOMEM, "dom:populate_memory", "")
    lacking = build_failed(spec(), failure, lambda: 10 * MIB)
    assert isinstance(lacking, HostNotEnoughFreeMemory)
    assert lacking.values["available"] == str(10 * MIB)
    assert isinstance(build_failed(spec(), failure, lambda: 10**12), DomainBuildFailed)


def test_a_larger_guest_may_take_longer() -> None:
    small, large = spec(), replace(spec(), memory=Memory(1 << 40, 1 << 40, 1 << 40))
    assert 60 < deadline(small) < deadline(large)
