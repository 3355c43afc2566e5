"""The pool master and an agent on real Xen, and the XenAPI module of PyPI, which drives a VM through its life."""

import base64
import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

import pytest
import XenAPI
from PIL import Image

from xenhost.core.units import MIB

URL = "http://127.0.0.1:8081"
BASIC = f"Authorization: Basic {base64.b64encode(b'root:secret').decode()}"
CONFIGURATION = """
[master]
address = "unix:{root}/run/xenhost/xenpoold-link.sock"
endpoints = ["unix:{root}/run/xenhost/xenhostd.sock"]
[network]
manage = false
[metrics]
enabled = false
"""


def eventually(holds: Any, within: float = 120) -> Any:
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@contextmanager
def daemon(root: Path, *words: str, said: str = "") -> Iterator[None]:
    with (root / f"{words[0]}.log").open("wb") as log:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
    assert process.stdin is not None
    process.stdin.write(f"{said}\n")
    process.stdin.close()
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def api() -> Iterator[Any]:
    with TemporaryDirectory(prefix="xp-") as folder:
        root = Path(folder)
        file = root / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True)
        file.write_text(CONFIGURATION.format(root=root))
        pool = ("xenhost.pool", "--root", folder, "--http", URL.removeprefix("http://"), "--user", "root")
        with daemon(root, *pool, said="secret"), daemon(root, "xenhost.agent", "--root", folder):
            session = XenAPI.Session(URL)

            def logged_in() -> bool:
                try:
                    session.login_with_password("root", "secret", "1.0", "tests")
                except OSError:
                    return False
                return True

            eventually(logged_in)
            eventually(lambda: session.xenapi.host.get_all())
            yield session.xenapi
            session._ServerProxy__close()


def vm_record(guests: Path) -> dict[str, Any]:
    size = str(128 * MIB)
    return {
        **{f"memory_{name}": size for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")},
        **{"name_label": "web", "name_description": "", "user_version": "1", "is_a_template": False},
        **{"affinity": "OpaqueRef:NULL", "VCPUs_params": {}, "VCPUs_max": "1", "VCPUs_at_startup": "1"},
        **{"actions_after_shutdown": "destroy", "actions_after_reboot": "restart", "actions_after_crash": "destroy"},
        **{"PV_bootloader": "", "PV_kernel": str(guests / "vmlinux"), "PV_ramdisk": str(guests / "initrd.gz")},
        **{"PV_args": "console=hvc0 quiet wait=xvda run=guest-agent", "PV_bootloader_args": "", "PV_legacy_args": ""},
        **{"HVM_boot_policy": "", "HVM_boot_params": {}, "platform": {}, "PCI_bus": "", "other_config": {}},
        **{"recommendations": ""},
    }


def disk(api: Any, sr: str, vm: str, place: str) -> str:
    vdi: dict[str, Any] = {
        "name_label": place,
        "name_description": "",
        "SR": sr,
        "virtual_size": str(8 * MIB),
        "type": "user",
    }
    vdi |= {"sharable": False, "read_only": False, "other_config": {}}
    vbd: dict[str, Any] = {
        "VM": vm,
        "VDI": api.VDI.create(vdi),
        "userdevice": place,
        "bootable": False,
        "mode": "RW",
        "type": "Disk",
    }
    vbd |= {"empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    return str(api.VBD.create(vbd))


@contextmanager
def talking(location: str) -> Iterator[Any]:
    """Both ways of a console, as somebody with a password."""
    assert location.startswith(f"{URL}/console?uuid=")
    host, port = URL.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as made, made.makefile("rwb") as line:
        line.write(f"CONNECT {location.removeprefix(URL)} HTTP/1.0\r\n{BASIC}\r\n\r\n".encode())
        line.flush()
        assert line.readline() == b"HTTP/1.1 200 OK\r\n"
        while line.readline() != b"\r\n":
            pass
        yield line


@pytest.mark.timeout(600)
def test_a_client_drives_a_vm_through_its_life(api: Any, guests: Path, tmp_path: Path) -> None:
    host = api.host.get_all()[0]
    assert api.host.get_software_version(host)["hypervisor"] == "xen"
    sr = api.SR.create(host, {"location": str(tmp_path)}, "0", "disks", "", "file", "user", False, {})
    vm = api.VM.create(vm_record(guests))
    disk(api, sr, vm, "0")
    api.VM.start(vm, False, False)
    assert api.VM.get_power_state(vm) == "Running"
    assert api.VM.get_resident_on(vm) == host
    (console,) = [api.console.get_record(each) for each in api.VM.get_consoles(vm)]
    assert console["protocol"] == "vt100"
    with talking(console["location"]) as line:
        eventually(lambda: b"GUESTUP" in line.readline())
    eventually(lambda: api.VM.get_guest_metrics(vm) != "OpaqueRef:NULL")
    metrics = api.VM.get_guest_metrics(vm)
    eventually(lambda: api.VM_guest_metrics.get_os_version(metrics).get("distro") == "busybox")
    second = disk(api, sr, vm, "1")
    api.VBD.plug(second)
    assert api.VBD.get_currently_attached(second)
    api.VBD.unplug(second)
    snapshot = api.VM.snapshot(vm, "before")
    api.VM.clean_shutdown(vm)
    assert api.VM.get_power_state(vm) == "Halted"
    assert api.VM.get_consoles(vm) == []
    api.VM.revert(snapshot)
    for each in (snapshot, vm):
        disks = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(each)]
        api.VM.destroy(each)
        for vdi in disks:
            api.VDI.destroy(vdi)
    assert api.VDI.get_all() == []


def counted(api: Any, vm: str, beyond: int = 0) -> int:
    """The next number, above that one, which the guest tells on its console."""
    (location,) = [api.console.get_location(each) for each in api.VM.get_consoles(vm)]
    with talking(location) as line:
        return int(eventually(lambda: _number(line.readline(), beyond)))


def _number(heard: bytes, beyond: int) -> int:
    found = re.search(rb"COUNT-([0-9]+)\r", heard)
    return int(found[1]) if found and int(found[1]) > beyond else 0


@pytest.mark.timeout(1800)
def test_a_guest_counts_on_after_it_was_suspended_and_from_a_checkpoint(api: Any, guests: Path, tmp_path: Path) -> None:
    host = api.host.get_all()[0]
    sr = api.SR.create(host, {"location": str(tmp_path)}, "0", "disks", "", "file", "user", False, {})
    api.pool.set_suspend_image_SR(api.pool.get_all()[0], sr)
    vm = api.VM.create(vm_record(guests) | {"PV_args": "console=hvc0 quiet wait=xvda"})
    disk(api, sr, vm, "0")
    api.VM.start(vm, False, False)
    (location,) = [api.console.get_location(each) for each in api.VM.get_consoles(vm)]
    with talking(location) as line:
        eventually(lambda: b"GUESTUP" in line.readline())
        time.sleep(1)  # its shell opens the terminal, and discards what was typed before
        line.write(b"i=0; while sleep 1; do i=$((i+1)); echo COUNT''-$i; done\n")
        line.flush()
        first = int(eventually(lambda: _number(line.readline(), 2)))
    domid = api.VM.get_domid(vm)
    checkpoint = api.VM.checkpoint(vm, "with memory")
    assert (api.VM.get_power_state(vm), api.VM.get_domid(vm)) == ("Running", domid)
    kept = counted(api, vm, first)
    api.VM.suspend(vm)
    assert api.VM.get_power_state(vm) == "Suspended"
    api.VM.resume(vm, False, False)
    assert api.VM.get_domid(vm) != domid
    last = counted(api, vm, kept + 5)  # it did not begin anew
    api.VM.revert(checkpoint)
    assert api.VM.get_power_state(vm) == "Suspended"
    api.VM.resume(vm, False, False)
    assert first <= counted(api, vm) < last, "it remembers what it did then, not what it did afterwards"
    api.VM.hard_shutdown(vm)
    for each in (checkpoint, vm):
        disks = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(each)]
        api.VM.destroy(each)
        for vdi in disks:
            api.VDI.destroy(vdi)
    assert api.VDI.get_all() == []


@pytest.mark.xen_hvm
@pytest.mark.timeout(600)
def test_the_screen_of_an_hvm_guest_is_seen(api: Any, guests: Path) -> None:
    vm = api.VM.create(vm_record(guests) | {"HVM_boot_policy": "BIOS order", "PV_kernel": "", "PV_ramdisk": ""})
    api.VM.start(vm, False, False)
    found = {each["protocol"]: each["location"] for each in map(api.console.get_record, api.VM.get_consoles(vm))}
    assert sorted(found) == ["rfb", "vt100"]
    with talking(found["rfb"]) as line:
        assert line.read(12) == b"RFB 003.008\n"
        eventually(lambda: _has_text(_picture(api.VM.get_uuid(vm))))  # of the firmware, which finds nothing to boot
    api.VM.hard_shutdown(vm)
    assert api.VM.get_consoles(vm) == []


def _picture(uuid: str) -> Image.Image:
    name, _, value = BASIC.partition(": ")
    with urlopen(Request(f"{URL}/vncsnapshot?uuid={uuid}", headers={name: value, "Accept": "image/png"})) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        return Image.open(io.BytesIO(answer.read()))


def _has_text(picture: Image.Image) -> bool:
    """Is anything of it bright?"""
    return bool(picture.size[0] >= 640 and picture.convert("L").getextrema()[1] > 100)
