"""The client without an agent: help, errors, exit codes, completion, and what it imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from xenhost.agent.cli.main import cli

GROUPS = (
    *("host", "vm", "vbd", "vif", "sr", "vdi", "network", "pif", "bond", "vlan", "tunnel", "sriov"),
    *("event", "operation"),
)


def run(*words: str, **env: str) -> tuple[int, str, str]:
    ended = CliRunner(mix_stderr=False, env=env).invoke(cli, words)
    return ended.exit_code, ended.stdout, ended.stderr


def test_help_lists_every_group() -> None:
    code, out, _ = run("--help")
    assert code == 0
    for group in (*GROUPS, "completion"):
        assert f"\n  {group} " in out


@pytest.mark.parametrize("group", [*GROUPS, "vdi cbt", "vdi nbd"])
def test_every_command_has_help_and_takes_json(group: str) -> None:
    _, out, _ = run(*group.split(), "--help")
    commands = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line[2:3].strip()]
    assert commands
    for command in commands:
        code, out, _ = run(*group.split(), command, "--help")
        assert code == 0
        assert "--json" in out or "Commands:" in out


def test_an_agent_that_is_not_there_is_one_line_a_hint_and_exit_3(tmp_path: Path) -> None:
    code, out, err = run("--socket", str(tmp_path / "none.sock"), "vm", "list")
    assert (code, out) == (3, "")
    error, hint = err.splitlines()
    assert error.startswith("error: the agent at ")
    assert "no such socket" in error
    assert "systemctl start xenhostd" in hint


def test_the_socket_comes_from_the_environment(tmp_path: Path) -> None:
    _, _, err = run("host", "show", XENHOST_SOCKET=str(tmp_path / "env.sock"))
    assert "env.sock" in err


def test_an_address_needs_certificates() -> None:
    code, _, err = run("--address", "host:9440", "vm", "list")
    assert code == 2
    assert "--tls-cert" in err


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    tls = [f"--tls-{name}={tmp_path / name}" for name in ("cert", "key", "ca")]
    code, _, err = run("--address", "host:9440", *tls, "vm", "list")
    assert code == 2
    assert str(tmp_path) in err


@pytest.mark.parametrize(
    "words",
    [
        ("vm", "create", "a", "--memory", "1X"),
        ("vm", "create", "a", "--memory", "1G"),
        ("vm", "create", "a", "--memory", "1G", "--kernel", "/k", "--disk", "/a,nonsense"),
        ("vm", "create", "--from", "/nonexistent.toml"),
        ("vm", "start"),
        ("vif", "unplug", "a", "minus"),
        ("nonsense",),
    ],
)
def test_a_wrong_command_line_is_exit_2(words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_the_example_of_a_vm_file_is_printed() -> None:
    code, out, _ = run("vm", "create", "--from", "example")
    assert code == 0
    assert "[boot]" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for(shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_XENHOST_COMPLETE" in out


def test_commands_are_completed() -> None:
    command = [sys.executable, "-m", "xenhost.agent.cli.main"]
    env = {"_XENHOST_COMPLETE": "fish_complete", "COMP_WORDS": "xenhost vm s", "COMP_CWORD": "s"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=15, check=False)
    assert {line.partition("\t")[0] for line in ended.stdout.splitlines()} == {
        "plain,show",
        "plain,shutdown",
        "plain,start",
        "plain,suspend",
    }


@pytest.mark.parametrize(
    "words",
    [
        *(("--version",), ("--help",), ("vm", "--help"), ("vm", "create", "--help")),
        *(("host", "--help"), ("network", "--help"), ("pif", "reconfigure-ip", "--help"), ("bond", "create", "--help")),
    ],
)
def test_what_needs_no_agent_imports_neither_grpc_nor_rich(words: tuple[str, ...]) -> None:
    program = (
        "import sys; from xenhost.agent.cli.main import cli; cli.main(sys.argv[1:], standalone_mode=False); "
        "print([name for name in ('grpc', 'rich', 'google.protobuf', 'asyncio') if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=15, check=True
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_who_asks_nothing_of_networks_imports_nothing_of_them() -> None:
    program = (
        "import sys, xenhost.agent.cli.client, xenhost.agent.cli.waiting; "
        "print([name for name in sys.modules if name.startswith('xenhost.api.host.v1.network')])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "[]\n"


def test_a_reader_that_goes_away_is_not_a_traceback() -> None:
    command = f"{sys.executable} -m xenhost.agent.cli.main vm create --help | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=15, check=False)
    assert ended.stderr == ""
