"""The configuration file: what it may say, and how it is told off."""

import re
from pathlib import Path

import pytest

from xenhost.agent.config import Config, Places, read_config
from xenhost.core.config_error import ConfigError
from xenhost.core.network import SwitchKind
from xenhost.system.logging import LogFormat


def read(root: Path, text: str, hypervisor: str | None = None) -> Config:
    file = root / "etc/xenhost/xenhostd.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return read_config(Places(root), None, hypervisor)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = read_config(Places(tmp_path), None, None)
    assert config.hypervisor == "xen"
    assert config.api.socket == tmp_path / "run/xenhost/xenhostd.sock"
    assert config.api.listen == ()
    assert config.master is None


def test_a_host_switches_with_linux_bridges_and_a_simulated_one_with_a_simulated_switch(tmp_path: Path) -> None:
    assert read(tmp_path, "").network.switch is SwitchKind.BRIDGE
    assert read(tmp_path, "", "sim").network.switch is SwitchKind.SIM
    assert read(tmp_path, '[network]\nswitch = "openvswitch"\n', "sim").network.switch is SwitchKind.OPENVSWITCH


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_config(Places(tmp_path), tmp_path / "absent.toml", None)


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, '[agent]\nhypervisor = "xen"\n[sim]\ncpus = 3\n[xen]\nhelper = "/x"\n', "sim")
    assert (config.hypervisor, config.driver_options) == ("sim", {"cpus": 3})


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, '[api]\nlisten = ["[::]:9440"]\ncert = "pki/me.crt"\n')
    assert config.api.tls.cert == tmp_path / "etc/xenhost/pki/me.crt"
    assert config.api.tls.ca == tmp_path / "etc/xenhost/tls/ca.crt"


def test_the_file_that_is_shipped_is_valid_and_says_the_defaults(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "packaging/etc/xenhostd.toml"
    text = shipped.read_text()
    assert read(tmp_path, text) == read(tmp_path, "")
    uncommented = [re.sub(r"^#\s?(?=\[?[a-z0-9_.]+( =|\]))", "", line) for line in text.splitlines()]
    settings = [line for line in uncommented if not line.startswith("#")]
    config = read(tmp_path, "\n".join(line for line in settings if line != "listen = []"))
    defaults = read(tmp_path, "")
    assert config.master is not None
    assert config.api.socket == Path("/") / defaults.api.socket.relative_to(tmp_path)
    assert (config.hypervisor, config.drain_seconds) == (defaults.hypervisor, defaults.drain_seconds)
    assert (config.log_level, config.log_format) == (defaults.log_level, LogFormat.AUTO)
    assert config.api.reflection == defaults.api.reflection
    here, there = config.storage, defaults.storage
    for path, default in ((here.smapiv1, there.smapiv1), (here.smapiv3, there.smapiv3)):
        assert path == Path("/") / default.relative_to(tmp_path)
    assert here.types == there.types
    assert (here.prefer_plugins, here.chores_at_once) == (there.prefer_plugins, there.chores_at_once)
    assert here.chore_bytes_per_second == there.chore_bytes_per_second
    assert here.mount_dir == Path("/") / there.mount_dir.relative_to(tmp_path)
    assert (here.nbd.address, here.nbd.port) == (there.nbd.address, there.nbd.port)
    assert here.nbd.tls_dir == Path("/") / there.nbd.tls_dir.relative_to(tmp_path)
    assert here.nbd.verify_clients == there.nbd.verify_clients


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api\n", ["xenhostd.toml", "not TOML"]),
        ('[api]\nsockte = "x"\n', ["[api] sockte", "unknown key", "did you mean socket?"]),
        ("[apo]\n", ["apo", "unknown key", "did you mean api?"]),
        ("api = 3\n", ["api", "must be a table"]),
        ('[agent]\nhypervisor = "kvm"\n', ["[agent] hypervisor", "'kvm'", "xen, sim"]),
        ("[agent]\ndrain_seconds = 0\n", ["[agent] drain_seconds", "from 1 to 600"]),
        ("[agent]\ndrain_seconds = true\n", ["[agent] drain_seconds", "a number"]),
        ('[log]\nlevel = "info2"\n', ["[log] level", "did you mean info?"]),
        ('[api]\nlisten = "a:1"\n', ["[api] listen", "a list of texts"]),
        ('[api]\nlisten = ["nine"]\n', ["[api] listen", "host:port"]),
        ('[api]\ncert = "x"\n', ["[api] cert", "no use without listen"]),
        (f'[api]\nsocket = "/{"x" * 200}"\n', ["[api] socket", "longer than 107"]),
        ('[api]\nsocket = "a\\nb"\n', ["[api] socket", "printable"]),
        ('[master]\nca = "x"\n', ["[master] address", "required"]),
        ('[master]\naddress = "http://m"\n', ["[master] address", "host:port"]),
        ('[storage]\ntype = ["nfs"]\n', ["[storage] type", "did you mean types?"]),
        ("[storage]\ncoalesce_at_once = 65\n", ["[storage] coalesce_at_once", "from 0 to 64"]),
        ("[storage.nbd]\nport = 65535\n", ["[storage.nbd] port", "from 1 to 64535"]),
        ('[storage.nbd]\naddress = "backup.example.org"\n', ["[storage.nbd] address", "IP address"]),
        ('[network]\nswitch = "sim"\n', ["[network] switch", "openvswitch"]),
        ('[network]\nswich = "bridge"\n', ["[network] swich", "switch"]),
        ("[network]\ndhcp_seconds = 0\n", ["[network] dhcp_seconds", "300"]),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_plugins_lie_below_the_root_unless_a_folder_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, "").storage.smapiv1 == tmp_path / "opt/xensource/sm"
    assert read(tmp_path, '[storage]\nsmapiv1 = "/srv/sm"\n').storage.smapiv1 == Path("/srv/sm")
