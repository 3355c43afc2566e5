"""What tests in the machine may ask of the Ceph cluster beside it, and what a client of it gets."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bed.ceph import Cluster
from bed.kernel import Kernel
from bed.machine import Machine, Wires
from bed.spec import Spec


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[Cluster, "subprocess.Popen[bytes]"]]:
    made = Cluster(tmp_path, tmp_path / "logs")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    made.daemons["osd.0"] = process
    try:
        yield made, process
    finally:
        process.kill()
        process.wait()


def state(process: "subprocess.Popen[bytes]") -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_daemon_is_paused_and_goes_on(sleeper: tuple[Cluster, "subprocess.Popen[bytes]"]) -> None:
    made, process = sleeper
    assert made.obey(["pause", "osd.0"]) == "ok"
    while state(process) != "T":
        assert process.poll() is None
    assert made.obey(["resume", "osd.0"]) == "ok"
    while state(process) == "T":
        assert process.poll() is None
    assert made.obey(["kill", "osd.0"]) == "ok"
    assert process.poll() is not None


@pytest.mark.parametrize("words", [[], ["kill"], ["kill", "mon.z"], ["burn", "osd.0"], ["kill", "osd.0", "now"]])
def test_anything_else_is_not_obeyed(words: list[str], sleeper: tuple[Cluster, "subprocess.Popen[bytes]"]) -> None:
    made, process = sleeper
    assert made.obey(words).startswith("unknown")
    assert process.poll() is None


def test_a_client_gets_the_keys_and_none_of_the_settings_of_daemons(tmp_path: Path) -> None:
    etc = tmp_path / "etc" / "ceph"
    etc.mkdir(parents=True)
    (etc / "ceph.conf").write_text("[global]\nmon host = x\nkeyring = /etc/ceph/keyring\nosd data = /y\n")
    for name in ("keyring", "secret", "wrong", "wrong.secret"):
        (etc / name).write_text(name)
    Cluster(tmp_path, tmp_path / "logs").pack(tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as out:
        conf = out.extractfile("etc/ceph/ceph.conf")
        assert conf is not None
        assert conf.read() == b"[global]\nmon host = x\nkeyring = /etc/ceph/keyring\n"
        assert {"etc/ceph/secret", "etc/ceph/wrong.secret"} <= set(out.getnames())


def test_only_a_machine_that_asks_has_the_user_network(tmp_path: Path) -> None:
    for user in (False, True):
        spec, wires = Spec(bare=True, nics=1), Wires(user=user)
        machine = Machine(spec, Kernel(tmp_path), tmp_path, [], tmp_path, tmp_path / "log", wires)
        assert any(word.startswith("user,") for word in machine.devices()) is user
