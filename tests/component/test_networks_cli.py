"""`xenhost network`, `pif`, `bond`, `vlan`, `tunnel`, `sriov` and the networks of `host`, against a running agent."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from component.harness.agent import Agent, running
from component.harness.command import CommandLine
from component.harness.pki import Authority

NETMASK = ("--netmask", "255.255.0.0", "--gateway", "10.9.0.1", "--dns", "10.9.0.53,fd00::53")
STATIC = ("static", "--ip", "10.9.0.2", *NETMASK)


@pytest.fixture
def configuration() -> str:
    return "[sim]\nsriov = 8\n"


@pytest.fixture
def quiet() -> Iterator[None]:
    """The agent's log must not go where the runner catches what the client prints."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def xenhost(agent: Agent, quiet: None) -> CommandLine:
    return CommandLine(str(agent.config.api.socket))


async def test_a_network_lives_its_life(xenhost: CommandLine) -> None:
    assert "LAN is created, UUID" in await xenhost.ok("network", "create", "LAN", "--mtu", "9000", "--bridge", "lan0")
    listed = (await xenhost.ok("network", "list")).splitlines()
    assert listed[0].split() == ["NAME", "BRIDGE", "STATE", "MTU", "PIFS", "VIFS", "UUID"]
    assert listed[1].split()[:6] == ["LAN", "lan0", "down", "9000", "-", "0"]
    words = ("--name", "WAN", "--other-config", "a=b", "--default-locking", "disabled")
    assert await xenhost.ok("network", "update", "LAN", *words) == "WAN is changed\n"
    await xenhost.ok("network", "update", "lan0", "--other-config", "a=", "--other-config", "c=d")
    shown = await xenhost.one("network", "show", "WAN")
    assert (shown["other_config"], shown["default_locking_mode"], shown["mtu"]) == ({"c": "d"}, "disabled", 9000)
    assert await xenhost.ok("network", "show", "WAN") == (
        "WAN  lan0  down  MTU 9000  VIFs disabled\n└─ internal: no uplink\n"
    )
    assert await xenhost.ok("network", "destroy", "WAN") == "WAN is destroyed\n"
    ended = await xenhost.run("network", "destroy", "WAN")
    assert (ended.exit_code, ended.stderr.splitlines()[1]) == (4, "hint: `xenhost network list` shows what there is")
    assert (await xenhost.run("network", "update", "xenbr1")).exit_code == 2


async def test_a_pif_lives_its_life(xenhost: CommandLine) -> None:
    assert await xenhost.ok("pif", "plug", "eth1") == "eth1 is plugged\n"
    assert await xenhost.ok("pif", "reconfigure-ip", "eth1", *STATIC) == "eth1 has its IPv4 configuration\n"
    words = ("reconfigure-ipv6", "eth1", "static", "--ip", "2001:db8::2/64", "--dns", "10.9.0.54")
    assert await xenhost.ok("pif", *words) == "eth1 has its IPv6 configuration\n"
    row = await xenhost.one("pif", "show", "eth1")
    assert row["ipv4"] == {"mode": "static", "address": "10.9.0.2/16", "gateway": "10.9.0.1", "dns": ["10.9.0.54"]}
    assert row["ipv6"]["addresses"] == ["2001:db8::2/64"]
    assert await xenhost.ok("pif", "set", "eth1", "--other-config", "mtu=9000", "--property", "gro=off") == (
        "eth1 is changed\n"
    )
    assert await xenhost.ok("pif", "set", "eth1", "--primary-address-type", "ipv6") == "eth1 is changed\n"
    shown = await xenhost.ok("pif", "show", "eth1")
    for fields in (["state", "attached"], ["IPv4", "static"], ["other", "config", "mtu=9000"], ["primary", "ipv6"]):
        assert fields in [line.split() for line in shown.splitlines()]
    listed = (await xenhost.ok("pif", "list")).splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["eth0", "eth1", "eth2", "eth3"]
    assert listed[2].split()[:5] == ["eth1", "physical", "attached", "10", "Gbit/s"]
    assert await xenhost.ok("pif", "unplug", "eth1") == "eth1 is unplugged\n"
    assert await xenhost.ok("pif", "forget", "eth1") == "eth1 is forgotten\n"
    assert "eth1 is introduced, UUID" in await xenhost.ok("pif", "introduce", "eth1")
    assert await xenhost.ok("pif", "scan") == "every card has its PIF\n"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("pif", "reconfigure-ip", "eth1", "static"), 2, "mode static needs --ip"),
        (("pif", "reconfigure-ip", "eth1", "static", "--ip", "10.0.0.1"), 2, "--netmask"),
        (("pif", "reconfigure-ip", "eth1", "dhcp", "--gateway", "10.0.0.1"), 2, "go with mode static"),
        (("pif", "reconfigure-ip", "eth1", "static", "--ip", "10.0.0.1/99"), 2, "ipv4.address"),
        (("pif", "reconfigure-ipv6", "eth1", "static"), 2, "2001:db8::2/64"),
        (("pif", "set", "eth1"), 2, "nothing to change"),
        (("pif", "introduce"), 2, "--mac"),
        (("pif", "plug", "eth9"), 4, "`xenhost pif list` shows what there is"),
        (("pif", "introduce", "eth0"), 5, "eth0"),
        (("network", "create", "a", "--bridge", "xenbr7"), 2, "bridge"),
        (("bond", "create", "xenbr1", "eth0"), 2, "member"),
        (("bond", "set", "bond0", "--mode", "lacp"), 4, "`xenhost"),
        (("vlan", "create", "eth0", "4095", "xenbr1"), 2, "4094"),
        (("vlan", "create", "eth0", "5", "xenbr1"), 5, "connected"),
        (("tunnel", "create", "eth0", "nothing"), 4, "`xenhost network list` shows what there is"),
        (("tunnel", "set", "tunnel0"), 2, "--remote"),
        (("sriov", "destroy", "eth0"), 4, "`xenhost sriov list` shows what there is"),
        (("host", "management-reconfigure", "eth1", "--gateway", "10.0.0.1"), 2, "--mode"),
        (("host", "management-reconfigure", "eth1"), 5, "address"),
        (("host", "management-reconfigure", "eth1", "--confirm", "--no-wait"), 2, "--confirm waits"),
        (("host", "reset-networking", "eth0"), 2, "--yes"),
    ],
)
async def test_what_is_wrong_is_said(xenhost: CommandLine, words: tuple[str, ...], code: int, error: str) -> None:
    ended = await xenhost.run(*words)
    assert (ended.exit_code, error in ended.stderr) == (code, True), ended.stderr


async def test_a_bond_lives_its_life(xenhost: CommandLine) -> None:
    await xenhost.ok("network", "create", "bonded")
    made = await xenhost.ok(
        "bond", "create", "bonded", "eth1", "eth2", "--mode", "lacp", "--property", "lacp-time=fast"
    )
    assert made.startswith("bond0 is created, UUID")
    listed = (await xenhost.ok("bond", "list")).splitlines()
    assert listed[1].split()[:7] == ["bond0", "lacp", "2", "of", "2", "eth1,", "eth2"]
    assert "lacp-time=fast" in listed[1]
    assert await xenhost.ok("bond", "set", "bond0", "--property", "hashing_algorithm=src_mac") == "bond0 is changed\n"
    (row,) = await xenhost.json("bond", "list")
    assert (row["properties"]["hashing_algorithm"], row["properties"]["lacp-time"]) == ("src_mac", "fast")
    words = ("--mode", "active-backup", "--member", "eth1", "--member", "eth2", "--member", "eth3")
    assert await xenhost.ok("bond", "set", "bond0", *words) == "bond0 is changed\n"
    tree = await xenhost.ok("network", "show", "bonded")
    assert "bond0  bond, active-backup  3 of 3 links up" in tree
    assert "├─ eth1" in tree
    assert "  standby" in tree
    assert await xenhost.ok("bond", "destroy", "bond0") == "bond0 is destroyed\n"
    assert (await xenhost.run("bond", "list")).stderr == "no bonds\n"


async def test_vlans_tunnels_and_virtual_functions_live_their_lives(xenhost: CommandLine) -> None:
    for name in ("offices", "stretched", "fast"):
        await xenhost.ok("network", "create", name)
    assert (await xenhost.ok("vlan", "create", "eth0", "5", "offices")).startswith("eth0.5 is created, UUID")
    assert (await xenhost.ok("vlan", "list")).splitlines()[1].split()[:4] == ["eth0.5", "5", "eth0", "offices"]
    await xenhost.ok("pif", "reconfigure-ip", "eth1", *STATIC)
    await xenhost.ok("pif", "plug", "eth1")
    words = (
        "tunnel",
        "create",
        "eth1",
        "stretched",
        "--protocol",
        "vxlan",
        "--remote",
        "10.9.0.3,10.9.0.4",
        "--key",
        "77",
    )
    assert "the tunnel is created, UUID" in await xenhost.ok(*words)
    row = (await xenhost.ok("tunnel", "list")).splitlines()[1].split()
    assert (row[:5], row[-2:]) == (["tunnel0", "vxlan", "77", "eth1", "stretched"], ["10.9.0.3,", "10.9.0.4"])
    await xenhost.ok("tunnel", "set", "tunnel0", "--remote", "10.9.0.9")
    assert (await xenhost.json("tunnel", "list"))[0]["remotes"] == ["10.9.0.9"]
    assert "the network of virtual functions is created" in await xenhost.ok("sriov", "create", "eth3", "fast")
    assert (await xenhost.ok("sriov", "list")).splitlines()[1].split()[:6] == ["eth3", "fast", "8", "of", "8", "sysfs"]
    tree = await xenhost.ok("network", "show")
    for text in ("VLAN 5 of eth0", "tunnel, vxlan 77 over eth1", "to 10.9.0.9", "8 of 8 virtual functions free"):
        assert text in tree
    assert await xenhost.ok("vlan", "destroy", "eth0.5") == "eth0.5 is destroyed\n"
    await xenhost.ok("tunnel", "destroy", "tunnel0")
    await xenhost.ok("sriov", "destroy", "eth3")
    for group, empty in (("vlan", "no VLANs"), ("tunnel", "no tunnels"), ("sriov", "no networks of virtual functions")):
        assert (await xenhost.run(group, "list")).stderr == f"{empty}\n"


async def test_everything_is_shown_as_data_too(xenhost: CommandLine) -> None:
    shown = await xenhost.one("network", "show")
    assert (shown["switch"], shown["foreign_bridges"]) == ("sim", ["xenbr0"])
    assert [pif["name"] for pif in shown["pifs"]] == ["eth0", "eth1", "eth2", "eth3"]
    assert len(await xenhost.json("network", "list")) == len(await xenhost.json("pif", "list")) == 4
    made = await xenhost.one("network", "create", "LAN")
    assert (made["state"], made["target_kind"], made["network"]["name"]) == ("succeeded", "network", "LAN")


async def test_names_are_completed(xenhost: CommandLine) -> None:
    await xenhost.ok("network", "create", "offices")
    await xenhost.ok("vlan", "create", "eth0", "5", "offices")
    assert "offices" in await xenhost.completed("xenhost network destroy off")
    assert "eth2" in await xenhost.completed("xenhost pif plug eth")
    assert (await xenhost.completed("xenhost vlan destroy eth")).split() == ["plain,eth0.5"]


async def test_a_change_of_management_says_how_it_is_confirmed(xenhost: CommandLine) -> None:
    said = await xenhost.ok("host", "management-reconfigure", "eth1", "--mode", *STATIC, "--confirm-within", "600")
    first, second = said.splitlines()
    assert first == "the host is managed through eth1, for now"
    assert second.startswith("confirm within ")
    assert second.endswith(" s, or all goes back: xenhost host management-confirm")
    assert "unless confirmed until" in await xenhost.ok("network", "show")
    assert await xenhost.ok("host", "management-confirm") == "the change of the management interface is kept\n"
    async with asyncio.timeout(30):
        while "unless confirmed until" in (shown := await xenhost.ok("network", "show")):
            pass
    assert "managed through eth1 (10.9.0.2/16)" in shown.splitlines()[0]
    await xenhost.ok("pif", "plug", "eth2")
    said = await xenhost.ok(*("host", "management-reconfigure", "eth2", "--mode", "dhcp", "--confirm-within", "0"))
    assert said == "the host is managed through eth2\n"
    assert (await xenhost.run("pif", "unplug", "eth2")).exit_code == 5


async def test_a_change_of_management_that_nobody_confirms_fails(xenhost: CommandLine) -> None:
    words = ("host", "management-reconfigure", "eth1", "--mode", *STATIC, "--confirm-within", "1", "--no-wait")
    id = (await xenhost.ok(*words)).strip()
    ended = await xenhost.run("operation", "wait", id)
    assert (ended.exit_code, "managed as before" in ended.stderr) == (1, True), ended.stderr
    assert "! no management interface" in await xenhost.ok("network", "show")


async def test_a_remote_client_confirms_over_a_new_connection(tmp_path: Path, quiet: None) -> None:
    pool = Authority(tmp_path / "pki", "pool CA")
    files = pool.issue("agent")
    toml = f'[api]\nlisten = ["127.0.0.1:0"]\ncert = "{files.cert}"\nkey = "{files.key}"\nca = "{files.ca}"\n'
    mine = pool.issue("operator")
    async with running(tmp_path, toml) as agent:
        port = agent.server.targets[0].rpartition(":")[2]
        tls = ("--tls-cert", str(mine.cert), "--tls-key", str(mine.key), "--tls-ca", str(mine.ca))
        xenhost = CommandLine(str(tmp_path / "none.sock"))
        words = ("host", "management-reconfigure", "eth1", "--mode", *STATIC)
        there = ("--address", f"localhost:{port}", *tls)
        assert await xenhost.ok(*there, *words, "--confirm") == "the host is managed through eth1\n"
        other = ("host", "management-reconfigure", "eth2", "--mode", "dhcp", "--confirm-at", f"localhost:{port}")
        assert await xenhost.ok(*there, *other) == "the host is managed through eth2\n"
        row = await xenhost.one(*there, "pif", "show", "eth2")
        assert row["management"]


async def test_networking_is_reset_from_the_console(xenhost: CommandLine) -> None:
    await xenhost.ok("network", "create", "bonded")
    await xenhost.ok("bond", "create", "bonded", "eth0", "eth1")
    said = await xenhost.ok("host", "reset-networking", "eth1", "--mode", *STATIC, "--yes")
    assert said == "networking is reset; the host is managed through eth1\n"
    assert "managed through eth1 (10.9.0.2/16)" in (await xenhost.ok("network", "show")).splitlines()[0]
    assert await xenhost.json("bond", "list") == []


async def test_the_switch_and_igmp_snooping_are_set(xenhost: CommandLine) -> None:
    assert await xenhost.ok("host", "set-switch", "bridge") == "the networks are made by bridge\n"
    assert (await xenhost.ok("network", "show")).startswith("Linux bridges")
    assert await xenhost.ok("host", "set-igmp-snooping", "on") == "IGMP snooping is on\n"


async def test_an_sdn_controller_comes_and_goes(xenhost: CommandLine) -> None:
    assert await xenhost.json("sdn", "list") == []
    assert await xenhost.ok("sdn", "introduce", "192.0.2.9") == "the SDN controller is introduced\n"
    listed = (await xenhost.ok("sdn", "list")).splitlines()
    assert listed[0].split()[:4] == ["PROTOCOL", "ADDRESS", "PORT", "CONNECTED"]
    assert listed[1].split()[:4] == ["ssl", "192.0.2.9", "6632", "yes"]
    (shown,) = await xenhost.json("sdn", "list")
    assert (shown["protocol"], shown["port"], shown["status"]["connected"]) == ("ssl", 6632, True)
    assert "SDN controller 192.0.2.9" in (await xenhost.ok("network", "show")).splitlines()[0]
    ended = await xenhost.run("sdn", "introduce", "--protocol", "pssl")
    assert (ended.exit_code, "forget it first" in ended.stderr) == (5, True)
    assert (await xenhost.run("sdn", "introduce", "--protocol", "pssl", "192.0.2.9")).exit_code == 2
    assert (await xenhost.run("sdn", "introduce")).exit_code == 2
    ended = await xenhost.run("sdn", "forget", "6a1f4d0e-0000-4000-8000-000000000001")
    assert (ended.exit_code, "xenhost sdn list" in ended.stderr) == (4, True)
    assert await xenhost.ok("sdn", "forget") == "the SDN controller is forgotten\n"
    assert await xenhost.json("sdn", "list") == []
