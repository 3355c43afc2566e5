"""The ground that the other tests here stand on: Xen, its daemons, the guest images, the installed project."""

import importlib.metadata
import shutil
import subprocess
import time
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
        deadline = time.monotonic() + 60
        while "GUESTUP" not in (log.read_text(errors="replace") if log.exists() else ""):
            assert time.monotonic() < deadline, "the guest did not come up"
            time.sleep(0.1)
        run("xl", "shutdown", "smoke")
        while "smoke" in run("xl", "list"):
            assert time.monotonic() < deadline, "the guest did not shut down"
            time.sleep(0.1)
    finally:
        subprocess.run(["xl", "destroy", "smoke"], capture_output=True, timeout=60, check=False)
