"""The ground that the other tests here stand on: Xen, its daemons, the guest images, the installed project."""

import importlib.metadata
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def run(*argv: str, timeout: float = 60) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def test_xl_lists_dom0() -> None:
    assert "Domain-0" in run("xl", "list")


def test_xenstore_keeps_what_is_written() -> None:
    run("xenstore-write", "/bed/smoke", "here")
    assert run("xenstore-read", "/bed/smoke").strip() == "here"
    run("xenstore-rm", "/bed")


def test_the_project_is_installed_with_its_commands() -> None:
    assert importlib.metadata.version("xenhost")
    for command in ("xenhostd", "xenhost"):
        assert (shutil.which(command) or "").startswith("/opt/xenhost/venv/bin/")


def test_the_clock_is_right_after_the_restore(tmp_path: Path) -> None:
    host_time = Path("/mnt/host/results.jsonl").stat().st_mtime
    assert abs(time.time() - host_time) < 600


def start_tiny(name: str, config: str, folder: Path) -> Path:
    """Start a tiny guest with xl, wait for its sign of life; its directory in xenstore."""
    file = folder / f"{name}.cfg"
    file.write_text(f"name='{name}'\nmemory=32\nvcpus=1\nvga='none'\n{config}\n")
    run("xl", "create", str(file), timeout=180)
    home = Path("/local/domain") / run("xl", "domid", name).strip()
    wait_until(lambda: read(home / "data/tiny") == "up", f"{name} did not come up")
    return home


def read(path: Path) -> str | None:
    argv = ["xenstore-read", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def wait_until(condition: Callable[[], bool], otherwise: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def gone(name: str) -> bool:
    return name not in run("xl", "list")


@pytest.fixture
def leave_no_guest() -> Iterator[None]:
    yield
    for line in run("xl", "list").splitlines()[2:]:
        subprocess.run(["xl", "destroy", line.split()[0]], timeout=150, check=False)


@pytest.mark.usefixtures("leave_no_guest")
def test_the_tiny_pv_guest_obeys_shutdown_until_told_to_be_deaf(guests: Path, tmp_path: Path) -> None:
    config = f"type='pv'\nkernel='{guests}/tiny-pv'\n"
    start_tiny("one", config, tmp_path)
    run("xl", "shutdown", "one")
    wait_until(lambda: gone("one"), "the guest did not shut down")
    home = start_tiny("two", config, tmp_path)
    run("xenstore-write", str(home / "data/do"), "deaf")
    time.sleep(0.5)
    run("xenstore-write", str(home / "control/shutdown"), "poweroff")
    time.sleep(1)
    assert read(home / "control/shutdown") == "poweroff"
    assert not gone("two")


@pytest.mark.xen_pvh
@pytest.mark.usefixtures("leave_no_guest")
def test_the_tiny_pvh_guest_comes_up_and_obeys_shutdown(guests: Path, tmp_path: Path) -> None:
    start_tiny("pvh", f"type='pvh'\nkernel='{guests}/tiny-pvh'\n", tmp_path)
    run("xl", "shutdown", "pvh")
    wait_until(lambda: gone("pvh"), "the guest did not shut down")


@pytest.mark.xen_hvm
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("leave_no_guest")
def test_the_tiny_hvm_guest_boots_from_its_disk_and_obeys_shutdown(guests: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    shutil.copy(guests / "tiny-hvm.img", disk)
    device = run("losetup", "-f", "--show", str(disk)).strip()
    try:
        config = f"type='hvm'\nboot='c'\ndisk=['format=raw,vdev=xvda,access=rw,script=hp,target={device}']\n"
        start_tiny("hvm", config, tmp_path)
        run("xl", "shutdown", "hvm")
        wait_until(lambda: gone("hvm"), "the guest did not shut down")
    finally:
        run("losetup", "-d", device)


@pytest.mark.xen_hvm
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("leave_no_guest")
def test_the_tiny_hvm_guest_boots_from_its_cd(guests: Path, tmp_path: Path) -> None:
    iso = guests / "tiny-hvm.iso"
    disk = f"disk=['format=raw,vdev=hdc,access=ro,devtype=cdrom,target={iso}']"
    start_tiny("cd", f"type='hvm'\nboot='d'\n{disk}\n", tmp_path)


@pytest.mark.timeout(120)
def test_a_pv_guest_comes_up_and_obeys_shutdown(guests: Path, tmp_path: Path) -> None:
    log = Path("/var/log/xen/console/guest-smoke.log")
    log.unlink(missing_ok=True)
    config = tmp_path / "smoke.cfg"
    config.write_text(
        f"name='smoke'\ntype='pv'\nmemory=96\nvcpus=1\nkernel='{guests}/vmlinux'\n"
        f"ramdisk='{guests}/initrd.gz'\nextra='console=hvc0 quiet'\n"
    )
    run("xl", "create", str(config))
    try:
        deadline = time.monotonic() + 150
        while "GUESTUP" not in (log.read_text(errors="replace") if log.exists() else ""):
            assert time.monotonic() < deadline, "the guest did not come up"
            time.sleep(0.1)
        run("xl", "shutdown", "smoke")
        while "smoke" in run("xl", "list"):
            assert time.monotonic() < deadline, "the guest did not shut down"
            time.sleep(0.1)
    finally:
        subprocess.run(["xl", "destroy", "smoke"], capture_output=True, timeout=150, check=False)
