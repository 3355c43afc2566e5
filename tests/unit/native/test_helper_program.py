"""The real xh-domain-helper on a machine without Xen: requests, refusals, and how it ends."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from xenhost.native.domain_helper import (
    BuildRequest,
    Done,
    GuestKind,
    HelperFailure,
    HelperReader,
    Preload,
    Ready,
    Reply,
    encode,
    helper_path,
)
from xenhost.native.errors import NativeUnavailable

MIB = 1 << 20
ACPI_BASE = 0xFC000000
GOOD = BuildRequest(
    domid=1,
    kind=GuestKind.PV,
    max_memory=128 * MIB,
    target_memory=128 * MIB,
    xen_max_memory=129 * MIB,
    vcpus=1,
    kernel="/boot/vmlinux",
)


def program() -> str:
    try:
        return str(helper_path())
    except NativeUnavailable as error:
        pytest.skip(str(error))


class Peer:
    """A running helper."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._reader = HelperReader()
        self._replies: list[Reply] = []

    def reply(self) -> Reply:
        assert self.process.stdout is not None
        while not self._replies:
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "the helper ended"
            self._replies += self._reader.feed(data)
        return self._replies.pop(0)

    def ask(self, request: bytes) -> Reply:
        assert self.process.stdin is not None
        self.process.stdin.write(request)
        return self.reply()

    def refusal(self, request: bytes) -> str:
        reply = self.ask(request)
        assert isinstance(reply, HelperFailure)
        assert reply.code == "bad_request"
        return reply.message


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    assert isinstance(peer.reply(), Ready)
    with peer.process:
        yield peer
        peer.process.kill()


def changed(**fields: object) -> bytes:
    lines = dict(line.split(" ", 1) for line in encode(GOOD).decode().splitlines() if line)
    for key, value in fields.items():
        if value is None:
            lines.pop(key, None)
        else:
            lines[key] = str(value)
    return "".join(f"{key} {value}\n" for key, value in lines.items()).encode() + b"\n"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domid": 0}, "dom0"),
        ({"domid": 0x7FF0}, "domid"),
        ({"domid": "-1"}, "domid"),
        ({"domid": "1x"}, "domid"),
        ({"domid": None}, "domid"),
        ({"vcpus": 0}, "vcpus"),
        ({"vcpus": 513}, "vcpus"),
        ({"max_memory": 4097}, "max_memory"),
        ({"max_memory": "1e9"}, "max_memory"),
        ({"max_memory": 1 << 60}, "max_memory"),
        ({"target_memory": 256 * MIB}, "target_memory"),
        ({"xen_max_memory": None}, "xen_max_memory"),
        ({"kernel": None}, "kernel"),
        ({"kind": "lpar"}, "kind"),
        ({"kind": "hvm"}, "firmware"),
        ({"kind": "hvm", "firmware": "/f"}, "device model"),
        ({"bios": "/b"}, "HVM only"),
        ({"video_memory": 4 * MIB}, "HVM only"),
        ({"online_vcpus": "1-2"}, "vCPU 0"),
        ({"online_vcpus": "0-"}, "online_vcpus"),
        ({"online_vcpus": "0-600"}, "online_vcpus"),
        ({"cpu_features": "123456789"}, "cpu_features"),
        ({"cpu_features": "-".join(["0"] * 65)}, "cpu_features"),
        ({"claim": "yes"}, "claim"),
        ({"timer_mode": 4}, "timer_mode"),
        ({"rtc_offset": "--1"}, "rtc_offset"),
        ({"store_port": 0}, "store_port"),
        ({"colour": "blue"}, "colour: no such key"),
        ({"fd": 5}, "restore only"),
        ({"op": "restore"}, "fd: missing"),
        ({"op": "restore", "fd": 5}, "in its memory"),
        ({"op": "restore", "fd": 1 << 31, "kernel": None}, "fd: is out of range"),
    ],
)
def test_a_bad_build_request_is_refused_with_its_reason(peer: Peer, fields: dict[str, object], message: str) -> None:
    assert message in peer.refusal(changed(**fields))


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        (b"nothing\n\n", "key value"),
        (b"op save\ndomid 7\n\n", "domid and fd"),
        (b"op save\ndomid 0\nfd 5\n\n", "domid and fd"),
        (b"op save\ndomid 7\nfd 2\n\n", "domid and fd"),
        (b"op save\ndomid 7\nfd 5\nkernel /k\n\n", "domid and fd"),
        (b"op build\nop build\n\n", "twice"),
        (b"domid 1\nop build\n\n", "first line"),
        (b"Op build\n\n", "characters"),
        (b"op build\nkernel a%2\n\n", "escape"),
        (b"op build\nkernel a%00b\n\n", "escape"),
        (b"op build\nkernel a\0b\n\n", "NUL"),
        (b"op " + b"x" * 70000 + b"\n\n", "too long"),
        (b"".join(b"k%d v\n" % number for number in range(97)) + b"\n", "too many"),
        (b"op dance\n\n", "no such operation"),
    ],
)
def test_a_malformed_request_is_refused_and_the_next_one_served(peer: Peer, request_text: bytes, message: str) -> None:
    assert message in peer.refusal(request_text)
    assert peer.ask(b"op preload\n\n") == Done()


def test_files_are_mapped_ahead_and_a_missing_one_is_named(peer: Peer, tmp_path: Path) -> None:
    kernel = tmp_path / "a kernel"
    kernel.write_bytes(b"\x7fELF" * 1000)
    assert peer.ask(encode(Preload(kernel=str(kernel)))) == Done()
    reply = peer.ask(encode(Preload(kernel=str(tmp_path / "none"))))
    assert reply == HelperFailure("failed", 2, "open", str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["/", "/dev/null"])
def test_only_regular_files_are_mapped(peer: Peer, name: str) -> None:
    reply = peer.ask(encode(Preload(kernel=name)))
    assert isinstance(reply, HelperFailure)
    assert reply.code == "failed"


def test_more_files_than_are_kept_can_be_mapped_one_after_the_other(peer: Peer, tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * 8192)
        assert peer.ask(encode(Preload(kernel=str(path)))) == Done()


@pytest.mark.skipif(Path("/proc/xen/privcmd").exists(), reason="there is a hypervisor here")
def test_without_a_hypervisor_a_build_says_so(peer: Peer) -> None:
    reply = peer.ask(encode(replace(GOOD, command_line="é%\n")))
    assert isinstance(reply, HelperFailure)
    assert (reply.code, reply.call) == ("unavailable", "privcmd:open")


def test_it_ends_at_the_end_of_its_input(peer: Peer) -> None:
    assert peer.process.stdin is not None
    peer.process.stdin.write(b"op preload\n")  # not even a whole request
    peer.process.stdin.close()
    assert peer.process.wait(timeout=10) == 0


def test_it_dies_with_the_process_that_started_it() -> None:
    script = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([{program()!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=10)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # dead; whoever inherited it has not collected it yet
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the helper outlived its parent")


# --- ACPI tables of a PVH guest -------------------------------------------------------------------


def tables(peer: Peer, vcpus: int, online: int) -> dict[str, bytes]:
    """What the helper would give a guest, by signature; "RSD PTR " for the root pointer."""
    assert peer.process.stdin is not None
    assert peer.process.stdout is not None
    peer.process.stdin.write(f"op acpi_tables\nvcpus {vcpus}\nonline {online}\n\n".encode())
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(peer.process.stdout.fileno(), 65536)
    assert line.startswith(b"result tables=")
    blob = bytes.fromhex(line.split(b"=")[1].decode())

    def table(address: int) -> bytes:
        start = address - ACPI_BASE
        return blob[start : start + int.from_bytes(blob[start + 4 : start + 8], "little")]

    found = {"RSD PTR ": blob[:36]}
    xsdt = table(struct.unpack_from("<Q", blob, 24)[0])
    for (entry,) in struct.iter_unpack("<Q", xsdt[36:]):
        found[table(entry)[:4].decode()] = table(entry)
    found["XSDT"] = xsdt
    found["DSDT"] = table(struct.unpack_from("<Q", found["FACP"], 140)[0])
    return found


@pytest.mark.parametrize(("vcpus", "online"), [(1, 1), (4, 2), (128, 128)])
def test_every_table_adds_up_to_zero_and_names_each_vcpu(peer: Peer, vcpus: int, online: int) -> None:
    found = tables(peer, vcpus, online)
    assert set(found) == {"RSD PTR ", "XSDT", "FACP", "APIC", "DSDT"}
    assert all(sum(table) % 256 == 0 for table in found.values())
    assert sum(found["RSD PTR "][:20]) % 256 == 0
    lapics = list(struct.iter_unpack("<BBBBI", found["APIC"][44:]))
    assert lapics == [(0, 8, vcpu, vcpu * 2, 1 if vcpu < online else 2) for vcpu in range(vcpus)]


def test_the_fixed_table_says_there_is_no_pc_hardware(peer: Peer) -> None:
    fadt = tables(peer, 1, 1)["FACP"]
    assert len(fadt) == 276
    (flags,) = struct.unpack_from("<I", fadt, 112)
    (boot,) = struct.unpack_from("<H", fadt, 109)
    assert flags & 1 << 20, "hardware-reduced"
    assert boot == 1 << 2 | 1 << 5, "no VGA, no CMOS clock, no 8042"


@pytest.mark.parametrize("vcpus", [0, 129, -1])
def test_tables_for_a_number_of_vcpus_that_cannot_be_are_refused(peer: Peer, vcpus: int) -> None:
    assert "1 to 128" in peer.refusal(f"op acpi_tables\nvcpus {vcpus}\n\n".encode())


@pytest.mark.skipif(shutil.which("iasl") is None, reason="needs acpica-tools")
def test_intels_disassembler_reads_every_table(peer: Peer, tmp_path: Path) -> None:
    for name, table in tables(peer, 3, 2).items():
        if name in ("FACP", "APIC", "DSDT", "XSDT"):
            path = tmp_path / f"{name}.dat"
            path.write_bytes(table)
            done = subprocess.run(["iasl", "-d", path], capture_output=True, text=True, timeout=20, check=True)
            said = done.stdout + done.stderr
            assert not [word for word in ("Error", "Invalid", "Warning") if word in said], said
    listing = (tmp_path / "APIC.dsl").read_text()
    assert listing.count("[Processor Local APIC]") == 3
    assert "Scope (\\_SB)" in (tmp_path / "DSDT.dsl").read_text()
