"""The real machine, with tools that write down how they were called."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from kit.scripts import script
from xenhost.agent.dom0.machine import Cstate, GuestAgent, NtpMode, Stop, read_cstate
from xenhost.agent.dom0.ntp import chrony_conf, chrony_servers
from xenhost.agent.dom0.report import ENTRIES
from xenhost.agent.dom0.system import CHRONY, PROFILE, RSYSLOG, TIMESYNCD, SystemMachine
from xenhost.core.errors import InternalError, InvalidValue, OperationNotAllowed, ValueNotSupported
from xenhost.sm.command import Commands

DEBIAN = """# Welcome to the chrony configuration file.
confdir /etc/chrony/conf.d
pool 2.debian.pool.ntp.org iburst
sourcedir /run/chrony-dhcp
keyfile /etc/chrony/chrony.keys
"""
SHOW = "Timezone=Europe/Berlin\nNTP={ntp}\nNTPSynchronized=yes\n"


STORE = ("xenstore-write", "xenstore-rm", "xenstore-chmod")


class Tools:
    """Programs in a folder of their own, and what they were called with."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._calls = folder / "calls"
        for name in ("hostnamectl", "systemctl", "xenpm", "timedatectl", "chronyc", "xl", "journalctl", *STORE):
            self.tool(name, "")
        self.clock("no")
        monkeypatch.setenv("PATH", f"{self._folder}:/usr/bin:/bin")

    def tool(self, name: str, lines: str) -> None:
        script(self._folder, name, f'echo {name} "$@" >> {self._calls}\n{lines}')

    def clock(self, ntp: str) -> None:
        show = SHOW.format(ntp=ntp)
        lines = f'case "$1" in show) printf "{show}";; list-timezones) echo UTC; echo Europe/Berlin;; esac'
        self.tool("timedatectl", f'{lines}\ncase "$1" in show-timesync) echo ServerName=ntp.example;; esac')

    def calls(self) -> list[str]:
        """Since the last look, without those that only look."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [line for line in lines if " show" not in line and "list-" not in line]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(tmp_path, monkeypatch)


@pytest.fixture
def machine(tmp_path: Path, tools: Tools) -> SystemMachine:
    return SystemMachine(tmp_path / "root", Commands(), structlog.get_logger("test"))


async def test_each_setting_is_one_call_of_a_tool(machine: SystemMachine, tools: Tools) -> None:
    await machine.set_hostname("host1")
    await machine.set_timezone("Europe/Berlin")
    await machine.set_time(datetime.fromtimestamp(2_000_000_000, UTC))
    await machine.set_ssh(True)
    await machine.set_ssh(False)
    await machine.set_cstate(Cstate())
    await machine.set_cstate(Cstate(1))
    await machine.set_cstate(Cstate(1, 0))
    await machine.send_debug_keys("q")
    await machine.stop(Stop.SHUTDOWN)
    await machine.stop(Stop.REBOOT)
    await machine.stop(Stop.RESTART_AGENT)
    await machine.stop(Stop.STOP_AGENT)
    assert tools.calls() == [
        "hostnamectl set-hostname host1",
        "timedatectl set-timezone Europe/Berlin",
        "timedatectl set-time @2000000000",
        "systemctl enable --now ssh.service",
        "systemctl disable --now ssh.service",
        "xenpm set-max-cstate unlimited",
        "xenpm set-max-cstate 1",
        "xenpm set-max-cstate 1 0",
        "xl debug-keys q",
        "systemctl poweroff",
        "systemctl reboot",
        "systemctl --no-block restart xenhostd.service",
        "systemctl --no-block stop xenhostd.service",
    ]
    with pytest.raises(InvalidValue):
        await machine.set_timezone("--help")
    tools.clock("yes")
    with pytest.raises(OperationNotAllowed):
        await machine.set_time(datetime.now(UTC))
    assert tools.calls() == []


async def test_agents_in_guests_find_their_settings_in_xenstore(machine: SystemMachine, tools: Tools) -> None:
    await machine.set_guest_agent(GuestAgent(True, "https://example.net/"))
    assert tools.calls() == [
        "xenstore-write /guest_agent_features ",
        "xenstore-rm /guest_agent_features",
        "xenstore-write /guest_agent_features/VSS/licensed 0 /guest_agent_features/GAAU/licensed 1"
        " /guest_agent_features/VSS/parameters  /guest_agent_features/GAAU/parameters "
        " /guest_agent_features/GAAU/parameters/enabled 1"
        " /guest_agent_features/GAAU/parameters/update_url https://example.net/",
        "xenstore-chmod -r /guest_agent_features r0",
    ]
    await machine.set_guest_agent(GuestAgent())
    assert not any("enabled" in call or "update_url" in call for call in tools.calls())


async def test_a_tool_that_fails_or_is_not_there_is_an_error_that_says_why(
    machine: SystemMachine, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.tool("hostnamectl", "echo no bus >&2; exit 1")
    with pytest.raises(InternalError, match="no bus"):
        await machine.set_hostname("host1")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InternalError, match="xl cannot be run"):
        await machine.xen_log(False)


async def test_the_clock_and_what_xen_was_booted_with_are_read(machine: SystemMachine, tools: Tools) -> None:
    tools.clock("yes")
    tools.tool("xl", 'echo "release : 6.1"; echo "xen_commandline : dom0_mem=1G sched-gran=core"')
    state = await machine.state()
    assert (state.timezone, state.ntp_enabled, state.ntp_synchronized) == ("Europe/Berlin", True, True)
    assert state.utc_offset in (3600, 7200)
    assert state.ntp_servers == {"ntp.example": "synced"}
    assert state.scheduling_granularity == "core"
    tools.tool("xl", "exit 1")
    assert (await machine.state()).scheduling_granularity == "cpu"


async def test_chrony_gets_the_operators_servers_and_the_distributions_back(
    tmp_path: Path, machine: SystemMachine, tools: Tools
) -> None:
    conf = tmp_path / "root" / CHRONY
    conf.parent.mkdir(parents=True)
    conf.write_text(DEBIAN)
    await machine.set_ntp(NtpMode.CUSTOM, ("192.0.2.1", "192.0.2.2"))
    text = conf.read_text()
    active = [line for line in text.splitlines() if line.startswith(("pool", "server"))]
    assert [line.split()[1] for line in active] == ["192.0.2.1", "192.0.2.2"]
    assert tools.calls() == ["timedatectl set-ntp true", "systemctl restart chrony.service"]
    await machine.set_ntp(NtpMode.FACTORY, ())
    assert conf.read_text() == DEBIAN
    await machine.set_ntp(NtpMode.DISABLED, ())
    assert tools.calls()[-1] == "timedatectl set-ntp false"
    with pytest.raises(ValueNotSupported):
        await machine.set_ntp(NtpMode.DHCP, ())
    tools.clock("yes")
    tools.tool("chronyc", "echo '^,*,192.0.2.1,2,6,377,57,0.1,0.1,0.1'; echo '^,?,192.0.2.2,0,8,0,0,0,0,0'")
    assert (await machine.state()).ntp_servers == {"192.0.2.1": "synced", "192.0.2.2": "unreachable"}


async def test_without_chrony_timesyncd_is_told(tmp_path: Path, machine: SystemMachine, tools: Tools) -> None:
    await machine.set_ntp(NtpMode.CUSTOM, ("192.0.2.1",))
    assert "NTP=192.0.2.1\n" in (tmp_path / "root" / TIMESYNCD).read_text()
    assert tools.calls()[-1] == "systemctl restart systemd-timesyncd.service"
    await machine.set_ntp(NtpMode.FACTORY, ())
    assert not (tmp_path / "root" / TIMESYNCD).exists()


async def test_files_come_whole_and_go(tmp_path: Path, machine: SystemMachine, tools: Tools) -> None:
    with pytest.raises(ValueNotSupported, match="rsyslog is not installed"):
        await machine.set_syslog("192.0.2.1")
    (tmp_path / "root" / RSYSLOG).parent.mkdir(parents=True)
    await machine.set_syslog("192.0.2.1:514")
    assert "*.* @192.0.2.1:514\n" in (tmp_path / "root" / RSYSLOG).read_text()
    assert tools.calls() == ["systemctl restart rsyslog.service"]
    await machine.set_syslog("")
    assert not (tmp_path / "root" / RSYSLOG).exists()
    await machine.set_console_timeout(300)
    assert "export TMOUT=300\n" in (tmp_path / "root" / PROFILE).read_text()
    await machine.set_console_timeout(0)
    assert not (tmp_path / "root" / PROFILE).exists()
    await machine.set_initiator_name("iqn.x")
    (tmp_path / "root/etc/iscsi").mkdir()
    await machine.set_initiator_name("iqn.x")
    assert "InitiatorName=iqn.x\n" in (tmp_path / "root/etc/iscsi/initiatorname.iscsi").read_text()
    state = await machine.state()
    assert (state.initiator_name, state.ssh) == ("iqn.x", False)
    tools.tool("systemctl", "echo ActiveState=active")
    assert (await machine.state()).ssh


async def test_a_report_holds_what_programs_say_and_what_could_not_be_had(
    tmp_path: Path, machine: SystemMachine, tools: Tools
) -> None:
    tools.tool("xl", 'echo "said $1"')
    found = await machine.report("xen-info")
    assert found["xen/dmesg.txt"] == b"said dmesg\n"
    assert set(found) == set(ENTRIES["xen-info"].programs)
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/os-release").write_text("ID=debian\n")
    system = await machine.report("system-info")
    assert system["files/etc/os-release"] == b"ID=debian\n"
    assert b"No such file" in system["files/proc/cmdline"]
    assert await machine.report("nothing") == {}


def test_a_line_of_chronys_holds_a_directive_or_a_comment() -> None:
    lines = chrony_conf(DEBIAN, ["a", "b"]).splitlines()
    assert lines[-4:] == ["# by xenhost", "server a iburst", "# by xenhost", "server b iburst"]
    assert all("#" not in line for line in lines if not line.startswith("#"))


def test_what_chrony_is_told_can_be_told_again() -> None:
    once = chrony_conf(DEBIAN, ["a"])
    assert chrony_conf(once, ["a"]) == once
    assert chrony_conf(chrony_conf(once, ["b", "c"]), []) == DEBIAN
    ended = once.removesuffix("server a iburst\n")
    assert chrony_conf(f"{ended}port 1\n", []) == f"{DEBIAN}port 1\n", "only a server goes with its mark"
    assert chrony_conf(DEBIAN + "server a iburst # by xenhost\n", []) == DEBIAN, "as it was written before"
    assert chrony_servers("nonsense\n^,~,a,1\n#,*,local,0\n^,!,b,1\n") == {"a": "variable", "b": "unknown"}


def test_sleep_of_cpus_is_read_strictly() -> None:
    assert [read_cstate(text) for text in ("", "0", "1,2")] == [Cstate(), Cstate(0), Cstate(1, 2)]
    for wrong in (",", "1,", "-1", "1,2,3", "C1", "9999"):
        with pytest.raises(InvalidValue):
            read_cstate(wrong)
