"""What nodes of a guest mean."""

from collections.abc import Mapping

import pytest

from xenhost.core.guest_metrics import MAX_ENTRIES, GuestData, GuestMetrics, Hotplug, guest_metrics

UPDATED = {"data/updated": "1"}


def of(nodes: Mapping[str, str]) -> GuestMetrics:
    return guest_metrics(GuestData({**UPDATED, **nodes}))


def test_the_fields_of_a_linux_guest() -> None:
    metrics = of(
        {
            "attr/PVAddons/Installed": "1",
            "attr/PVAddons/MajorVersion": "9",
            "attr/PVAddons/MinorVersion": "3",
            "attr/PVAddons/MicroVersion": "1",
            "attr/PVAddons/BuildVersion": "74",
            "data/os_name": "Debian GNU/Linux 12 (bookworm)",
            "data/os_uname": "6.1.0-18-amd64",
            "data/os_distro": "debian",
            "data/os_majorver": "12",
            "data/os_minorver": "0",
            "data/host_name": "web",
            "data/meminfo_free": "1000",
            "data/meminfo_total": "2000",
            "feature/hotplug/vbd": "1",
            "feature/hotplug/vif": "0",
            "control/feature-suspend": "1",
            "drivers/0": "XenServer XENBUS 9.1.0",
            "data/service/ssh/port": "22",
            "data/volumes/0/size": "4096",
            "data/ts": "1",
        }
    )
    assert metrics == GuestMetrics(
        live=True,
        os_version={
            "name": "Debian GNU/Linux 12 (bookworm)",
            "uname": "6.1.0-18-amd64",
            "distro": "debian",
            "major": "12",
            "minor": "0",
        },
        netbios_name={"host_name": "web"},
        pv_drivers_version={"major": "9", "minor": "3", "micro": "1", "build": "74"},
        pv_drivers_detected=True,
        memory={"free": "1000", "total": "2000"},
        disks={"0/size": "4096"},
        drivers={"0": "XenServer XENBUS 9.1.0"},
        services={"ssh/port": "22"},
        other={"feature-suspend": "1", "data-ts": "1"},
        can_use_hotplug_vbd=Hotplug.YES,
        can_use_hotplug_vif=Hotplug.NO,
    )


@pytest.mark.parametrize(
    ("nodes", "networks"),
    [
        ({"attr/vif/0/ipv4/0": "10.0.0.5"}, {"0/ip": "10.0.0.5", "0/ipv4/0": "10.0.0.5"}),
        ({"attr/vif/2/ipv4/1": "10.0.0.6"}, {"2/ipv4/1": "10.0.0.6"}),
        ({"attr/vif/0/ipv6/1": "fe80::1"}, {"0/ipv6/1": "fe80::1"}),
        ({"attr/eth1/ip": "10.0.0.7", "attr/eth1/ipv6/0/addr": "fd00::7"}, {"1/ip": "10.0.0.7", "1/ipv6/0": "fd00::7"}),
        ({"attr/xenbr0/ip": "10.0.0.8"}, {"0/ip": "10.0.0.8"}),
        ({"attr/vif/0/ipv4/0": "not an address", "attr/eth/ip": "10.0.0.9", "attr/vif/9999/ipv4/0": "10.0.0.1"}, {}),
        ({"data/vif/0/ipv4/0": "10.0.0.5"}, {}),
    ],
)
def test_addresses_of_both_kinds_of_agents(nodes: Mapping[str, str], networks: Mapping[str, str]) -> None:
    assert of(nodes).networks == networks


def test_nothing_is_made_of_an_agent_that_has_not_finished_writing() -> None:
    metrics = guest_metrics(GuestData({"data/os_name": "Deb", "control/feature-suspend": "1"}))
    assert metrics == GuestMetrics(live=True, other={"feature-suspend": "1"}, pv_drivers_detected=True)


def test_the_reason_why_it_cannot_be_suspended_replaces_that_it_can() -> None:
    metrics = of({"control/feature-suspend": "1", "data/cant_suspend_reason": "busy"})
    assert metrics.other == {"data-cant-suspend-reason": "busy"}


def test_the_version_of_the_drivers_has_a_micro_number_always() -> None:
    assert of({"attr/PVAddons/MajorVersion": "9"}).pv_drivers_version == {"micro": "-1", "major": "9"}
    assert of({}).pv_drivers_version == {}


def test_memory_is_numbers_and_maps_are_bounded() -> None:
    nodes = {f"drivers/{number}": "x" for number in range(2 * MAX_ENTRIES)} | {"data/meminfo_free": "lots"}
    metrics = of(nodes)
    assert len(metrics.drivers) == MAX_ENTRIES
    assert metrics.memory == {}
