"""What is written on the command line."""

from pathlib import Path

import pytest

from xenhost.agent.cli.parse import (
    DiskArg,
    NicArg,
    free_devices,
    parse_config,
    parse_cpus,
    parse_disk,
    parse_nic,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 << 20), ("1G", 1 << 30), ("1.5GiB", 3 << 29), ("64kb", 65536), ("4096", 4096), (" 2 T ", 2 << 40)],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1M", "1X", "0.3K", "1e3", "1 000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_size(text)


def test_a_disk_is_read() -> None:
    assert parse_disk("/a") == DiskArg("/a")
    assert parse_disk("/a,device=xvdc,ro,block") == DiskArg("/a", "xvdc", True, False, "block")
    assert parse_disk(",cd") == DiskArg("", is_cd=True)


def test_a_vdi_is_read_with_its_limits() -> None:
    disk = parse_disk("vdi:web1 root,iops=500,rate=50M")
    assert (disk.vdi, disk.iops, disk.bytes_per_second) == ("web1 root", 500, 50 << 20)
    assert parse_disk("/a").vdi == ""


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    config = parse_config(f"password=@{tmp_path}/pw")
    assert (config.key, config.value) == ("password", "hunter2")
    with pytest.raises(ValueError, match="cannot read"):
        parse_config("password=@/nowhere")
    assert parse_config("a=b=c").value == "b=c"


@pytest.mark.parametrize(
    "text", ["", "/a,", "/a,xvda", "/a,device=", "/a,ro=1", ",ro", "vdi:", "/a,iops=x", "/a,rate="]
)
def test_what_is_no_disk_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_disk(text)


def test_a_network_card_is_read() -> None:
    assert parse_nic("xenbr0") == NicArg("xenbr0")
    nic = parse_nic("bridge=b,mac=00:16:3e:00:00:01,mtu=9000,rate=10M,index=2")
    assert nic == NicArg(mac="00:16:3e:00:00:01", mtu=9000, rate_kbps=10240, index=2, bridge="b")
    assert parse_nic("lan,locked=10.0.0.5,locked=fd00::5").locked == ("10.0.0.5", "fd00::5")
    assert parse_nic("b,rate=300").rate_kbps == 300


@pytest.mark.parametrize("text", ["", "mac=00:16:3e:00:00:01", "b,mtu=big", "b,speed=1", "b,rate=fast", "b,c"])
def test_what_is_no_network_card_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_nic(text)


def test_cpu_sets_are_read() -> None:
    assert parse_cpus("0-3,8") == [0, 1, 2, 3, 8]
    assert parse_cpus("any") == []


@pytest.mark.parametrize("text", ["a", "1-", "-3", "1,,2", "9999"])
def test_what_is_no_cpu_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_cpus(text)


def test_free_places_are_given_in_order() -> None:
    free = free_devices({"xvda", "xvdc"})
    assert [next(free), next(free), next(free)] == ["xvdb", "xvdd", "xvde"]
    many = free_devices({f"xvd{chr(97 + n)}" for n in range(26)})
    assert next(many) == "xvdaa"
