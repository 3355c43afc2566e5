"""`xenhost pool`, against a real pool master and its agent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from component.harness.trial import free_port, running_below, trial
from component.pool.test_killed import wire
from component.pool.test_vms import RECORD
from xenhost.agent.cli.pool_api import PoolApi

pytestmark = pytest.mark.timeout(240)
SYSTEMCTL = """\
#!{python}
# Stands in for systemd: `enable --now xenpoold` and `restart xenhostd` start them below a folder.
import subprocess, sys
said, folder = sys.argv[1:], "{folder}"
with open(folder + "/said", "a") as file:
    print(*said, file=file)
module = {{"enable --now xenpoold.service": ["xenhost.pool", "--http", "127.0.0.1:{port}", "--user", "root"],
          "restart xenhostd.service": ["xenhost.agent", "--hypervisor", "sim"]}}.get(" ".join(said))
if module:
    with open(folder + "/" + module[0], "ab") as log:
        daemon = subprocess.Popen([sys.executable, "-m", *module, "--root", folder], stdin=subprocess.PIPE,
                                  stdout=log, stderr=log, start_new_session=True)
        daemon.stdin.write(b"secret\\n")
        daemon.stdin.close()
"""


def xenhost(*words: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """The command line, as a process."""
    command = [sys.executable, "-m", "xenhost.agent.cli.main", *words]
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=env)


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """The socket of a pool master with a host."""
    with trial() as (_, folder):
        yield str(folder / "run/xenhost/xapi")


def only(api: str) -> dict[str, object]:
    """The one host."""
    done = xenhost("pool", "--api", api, "hosts", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_it_shows_the_pool_and_its_hosts(api: str) -> None:
    host = only(api)
    assert (host["state"], host["vms"]) == ("enabled", 0)
    shown = xenhost("pool", "--api", api, "show")
    assert shown.returncode == 0, shown.stderr
    assert "Default SR  Local storage" in shown.stdout
    assert f"Master      {host['name']}" in shown.stdout
    assert str(host["uuid"]) in shown.stdout


def test_a_host_is_disabled_and_enabled_by_name_or_uuid(api: str) -> None:
    host = only(api)
    assert xenhost("pool", "--api", api, "disable", str(host["name"])).returncode == 0
    assert only(api)["state"] == "disabled"
    assert xenhost("pool", "--api", api, "designate-master", str(host["name"])).returncode == 0, "it is that already"
    assert xenhost("pool", "--api", api, "enable", str(host["uuid"])).returncode == 0
    assert only(api)["state"] == "enabled"
    missing = xenhost("pool", "--api", api, "enable", "nobody")
    assert (missing.returncode, "no host is called nobody" in missing.stderr) == (4, True)


def test_a_host_is_evacuated_or_it_says_why_not(api: str) -> None:
    name = str(only(api)["name"])
    done = xenhost("pool", "--api", api, "evacuate", name)
    assert (done.returncode, done.stdout) == (0, f"{name} runs no VMs\n"), done.stderr
    client = PoolApi(api)
    vm = client("VM.create", wire(RECORD))
    client("VM.start", vm, False, False)
    refused = xenhost("pool", "--api", api, "evacuate", name)
    assert (refused.returncode, f"evacuating {name}: NO_HOSTS_AVAILABLE" in refused.stderr) == (1, True), refused.stderr
    client("VM.hard_shutdown", vm)
    client("VM.destroy", vm)
    client.close()


def test_the_master_is_not_ejected(api: str) -> None:
    refused = xenhost("pool", "--api", api, "eject", "--yes", str(only(api)["uuid"]))
    assert refused.returncode == 1
    assert "OPERATION_NOT_ALLOWED" in refused.stderr


def test_the_database_is_saved_and_can_be_used_again(api: str, tmp_path: Path) -> None:
    file = tmp_path / "pool.xml"
    saved = xenhost("pool", "--api", api, "backup", str(file))
    assert saved.returncode == 0, saved.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert xenhost("pool", "--api", api, "backup", str(file)).returncode == 2, "it is not overwritten unasked"
    tried = xenhost("pool", "--api", api, "restore", "--dry-run", str(file))
    assert (tried.returncode, "objects, which can be restored" in tried.stdout) == (0, True), tried
    file.write_bytes(file.read_bytes()[:-40])
    bad = xenhost("pool", "--api", api, "restore", str(file))
    assert (bad.returncode, "cannot be used" in bad.stderr) == (1, True), bad


def test_where_no_master_is_it_says_so(tmp_path: Path) -> None:
    lost = xenhost("pool", "--api", str(tmp_path / "none"), "show")
    assert lost.returncode == 3
    assert "no pool master answers" in lost.stderr
    assert "xenhost pool create" in lost.stderr


def test_one_command_makes_a_host_a_pool_of_one_and_may_be_run_again() -> None:
    with TemporaryDirectory(prefix="xp-") as folder:
        root, bin = Path(folder), Path(folder, "bin")
        bin.mkdir()
        stand_in = SYSTEMCTL.format(python=sys.executable, folder=folder, port=free_port())
        (bin / "systemctl").write_text(stand_in)
        (bin / "systemctl").chmod(0o755)
        file = root / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True)
        file.write_text("[sim]\ncheck_paths = false\n")
        try:
            made = xenhost("pool", "create", "--name", "mine", "--root", folder, "--json", path=str(bin))
            assert made.returncode == 0, made.stderr
            configured = file.read_text()
            assert configured.startswith("[sim]\ncheck_paths = false\n")
            assert "[master]" in configured
            api = str(root / "run/xenhost/xapi")
            assert json.loads(made.stdout)["host"] == only(api)["uuid"]
            assert xenhost("pool", "--api", api, "show").stdout.split()[:2] == ["Name", "mine"]
            (bin / "systemctl").write_text("#!/bin/sh\n")
            again = xenhost("pool", "create", "--root", folder, path=str(bin))
            assert again.returncode == 0, again.stderr
            assert file.read_text() == configured
        finally:
            for each in running_below(folder):
                os.kill(each, signal.SIGTERM)
            while running_below(folder):
                time.sleep(0.05)


def test_a_host_of_another_pool_stays_there(tmp_path: Path) -> None:
    file = tmp_path / "etc/xenhost/xenhostd.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[master]\naddress = "pool.example.org:9441"\n')
    refused = xenhost("pool", "create", "--root", str(tmp_path))
    assert refused.returncode == 5
    assert "pool.example.org:9441" in refused.stderr
