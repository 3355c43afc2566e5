"""The agent of dom0, run here: it needs no Xen to run commands."""

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AGENT = Path(__file__).parents[2] / "dom0" / "guest" / "agent.py"


class Client:
    """The host end, as simple as can be."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(15)
        self._socket = connection
        self._lines = connection.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, **message: object) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._lines.readline())
        return message

    def finish(self, number: int) -> tuple[int, str]:
        """Exit status and output of a command that was started."""
        output = b""
        while True:
            message = self.receive()
            if message["id"] != number:
                continue
            if "exit" in message:
                return message["exit"], output.decode()
            output += base64.b64decode(message["out"])

    def run(self, *argv: str, **more: object) -> tuple[int, str]:
        self.send(op="run", id=7, argv=argv, cwd="/", **more)
        return self.finish(7)


@pytest.fixture
def client() -> Iterator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    agent = subprocess.Popen([sys.executable, str(AGENT), "--tcp", f"127.0.0.1:{port}"])
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=15)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the agent does not listen"
                time.sleep(0.05)
        client = Client(connection)
        yield client
        client.close()
    finally:
        agent.kill()
        agent.wait()


def test_output_and_exit_status_come_back(client: Client) -> None:
    assert client.run("sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\nerr\n")


def test_much_output_arrives_whole(client: Client) -> None:
    code, text = client.run("seq", "200000")
    assert code == 0
    assert text.splitlines() == [str(n) for n in range(1, 200001)]


def test_a_missing_program_is_127_and_named(client: Client) -> None:
    code, text = client.run("/no/such/program")
    assert code == 127
    assert "/no/such/program" in text


def test_a_command_that_takes_too_long_is_killed_with_all_its_children(client: Client) -> None:
    assert client.run("sh", "-c", "sleep 60 & sleep 60", timeout=0.5)[0] == 124


def test_a_signal_is_128_and_its_number(client: Client) -> None:
    client.send(op="run", id=1, argv=["sleep", "60"], cwd="/")
    client.send(op="kill", id=1, signal=15)
    assert client.finish(1)[0] == 143


def test_a_daemon_that_keeps_the_output_open_does_not_hold_up_the_end(client: Client) -> None:
    started = time.monotonic()
    assert client.run("sh", "-c", "sleep 30 & echo done") == (0, "done\n")
    assert time.monotonic() - started < 15


def test_commands_run_side_by_side(client: Client) -> None:
    client.send(op="run", id=1, argv=["sleep", "60"], cwd="/")
    assert client.run("echo", "meanwhile") == (0, "meanwhile\n")
    client.send(op="kill", id=1, signal=9)
    assert client.finish(1)[0] == 137


def test_environment_and_folder_are_those_asked_for(client: Client) -> None:
    client.send(op="run", id=1, argv=["sh", "-c", "echo $A; pwd"], cwd="/usr", env={"A": "b"})
    assert client.finish(1) == (0, "b\n/usr\n")


def test_a_terminal_has_the_size_asked_for_and_follows_it(client: Client) -> None:
    script = "stty size; read line; stty size"
    client.send(op="run", id=1, argv=["sh", "-c", script], cwd="/", pty=[33, 101])
    while b"33 101" not in base64.b64decode(client.receive()["out"]):
        pass
    client.send(op="size", id=1, pty=[40, 120])
    client.send(op="input", id=1, data=base64.b64encode(b"go\n").decode())
    code, text = client.finish(1)
    assert code == 0
    assert "40 120" in text


def test_control_c_interrupts_what_runs_in_the_terminal(client: Client) -> None:
    script = "trap 'echo caught; exit 5' INT; echo ready; sleep 60 & wait"
    client.send(op="run", id=1, argv=["sh", "-c", script], cwd="/", pty=[24, 80])
    while b"ready" not in base64.b64decode(client.receive()["out"]):
        pass
    client.send(op="input", id=1, data=base64.b64encode(b"\x03").decode())
    code, text = client.finish(1)
    assert code == 5
    assert "caught" in text


def test_a_warm_module_runs_with_its_arguments_and_status(client: Client) -> None:
    code, text = client.run("json.tool", "--help", warm=True)
    assert code == 0
    assert "usage:" in text
    assert client.run("json.tool", "/no/such/file", warm=True)[0] != 0


def test_what_is_no_request_is_passed_over(client: Client) -> None:
    client.send_raw(b'\n{"half\n[]\n17\n')
    client.send(op="kill", id=99, signal=9)
    client.send(op="input", id=99, data="")
    assert client.run("true")[0] == 0


def test_reset_ends_what_runs(client: Client) -> None:
    client.send(op="run", id=1, argv=["sleep", "60"], cwd="/")
    client.send(op="reset", id=2)
    assert client.receive() == {"id": 2, "exit": 0, "seconds": 0.0}
    assert client.run("true")[0] == 0
