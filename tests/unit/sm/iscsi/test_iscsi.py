"""What targets say and users configure is checked; sessions are counted over SRs and left as they were found."""

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.iscsi.config import Chap, parse
from xenhost.sm.iscsi.disks import complete, luns, targets_document
from xenhost.sm.iscsi.output import Portal, Target, discovered, is_iqn, parse_portal
from xenhost.sm.iscsi.sessions import Users, expected_disks, sessions
from xenhost.sm.scsi.sysfs import Disk

IQN = "iqn.2001-04.com.example:storage.disk1"


def test_a_discovery_is_read_and_what_is_no_target_is_left_out() -> None:
    text = (
        f"10.0.0.1:3260,1 {IQN}\n[fe80::1]:3261,-1 eui.0123456789abcdef\n10.0.0.1:3260,1 {IQN}\n"
        f"iscsiadm: warning\n10.0.0.1:99999,1 {IQN}\n10.0.0.1:3260,1 iqn.2001-04.x;rm -rf\n10.0.0.1:3260,1 --help\n"
    )
    assert discovered(text) == (
        Target(Portal("10.0.0.1", 3260, 1), IQN),
        Target(Portal("fe80::1", 3261, -1), "eui.0123456789abcdef"),
    )


def test_portals_are_written_as_open_iscsi_takes_them() -> None:
    assert str(Portal("fe80::1", 3260)) == "[fe80::1]:3260"
    assert parse_portal("10.0.0.1:0,1") is None


@given(st.text(max_size=300))
def test_any_output_is_survived(text: str) -> None:
    assert all(is_iqn(target.iqn) for target in discovered(f"1.2.3.4:3260,1 {text}\n{text}"))


def test_a_whole_configuration_is_read() -> None:
    config = complete(
        {
            "target": "10.0.0.1, server.example",
            "targetIQN": IQN,
            "SCSIid": "36001405",
            "port": "3261",
            "chapuser": "u",
            "chappassword": "p",
            "incoming_chapuser": "iu",
            "incoming_chappassword": "ip",
            "localIQN": "iqn.2001-04.com.example:host",
        }
    )
    assert config.local_iqn == "iqn.2001-04.com.example:host"
    assert (config.hosts, config.port, config.iqn) == (("10.0.0.1", "server.example"), 3261, IQN)
    assert config.chap == Chap("u", "p", "iu", "ip")


def test_with_multipathing_a_lost_session_is_given_up_sooner_unless_it_is_said_when() -> None:
    config = {"target": "10.0.0.1,10.0.0.2", "multipathing": "true"}
    assert (parse(config).multipathing, parse(config).replacement_timeout) == (True, 15)
    assert parse({**config, "replacement_timeout": "30"}).replacement_timeout == 30
    assert (parse({"target": "h"}).multipathing, parse({"target": "h"}).replacement_timeout) == (False, 60)


def test_all_portals_are_used_as_multipathing_says_or_multihomed() -> None:
    config = {"target": "10.0.0.1"}
    assert [
        parse({**config, **more}).multihomed
        for more in (
            {},
            {"multihomed": "true"},
            {"multipathing": "true"},
            {"multipathing": "true", "multihomed": "false"},
        )
    ] == [False, True, True, False]


def test_portals_that_xenserver_wrote_down_are_read() -> None:
    text = f"10.0.0.1,3260,{IQN}|fe80::1,3261,{IQN}2|[fe80::1],3261,{IQN}2|"
    assert parse({"target": "h", "targetIQN": "*", "multiSession": text}).targets == (
        Target(Portal("10.0.0.1", 3260), IQN),
        Target(Portal("fe80::1", 3261), f"{IQN}2"),
    )


@pytest.mark.parametrize(
    ("config", "number"),
    [
        ({}, 95),
        ({"target": "--help"}, 95),
        ({"target": "a b"}, 95),
        ({"target": "h", "targetIQN": "disk1"}, 106),
        ({"target": "h", "targetIQN": "iqn.2001-04.x -o delete"}, 106),
        ({"target": "h", "localIQN": "me"}, 70),
        ({"target": "h", "port": "0"}, 142),
        ({"target": "h", "port": "70000"}, 142),
        ({"target": "h", "multihomed": "perhaps"}, 143),
        ({"target": "h", "multiSession": "10.0.0.1,3260|"}, 106),
        ({"target": "h", "multiSession": f"10.0.0.1,0,{IQN}"}, 106),
        ({"target": "h", "multiSession": f"--help,3260,{IQN}"}, 106),
        ({"target": "h", "multiSession": f"10.0.0.1,3260,{IQN},{IQN}"}, 106),
        ({"target": "h", "targetIQN": f"{IQN}2", "multiSession": f"10.0.0.1,3260,{IQN}"}, 106),
        ({"target": "h", "multipathing": "true", "multipathhandle": "rdac"}, 431),
        ({"target": "h"}, 96),
        ({"target": "h", "targetIQN": IQN}, 107),
    ],
)
def test_a_wrong_configuration_fails_with_xenservers_number(config: dict[str, str], number: int) -> None:
    with pytest.raises(SrBackendFailure) as caught:
        complete(config)
    assert caught.value.number == number


def test_the_documents_are_xenservers() -> None:
    root = ElementTree.fromstring(targets_document([Target(Portal("10.0.0.1", 3260), "iqn.2001-04.a:<&>")]))
    assert root.tag == "iscsi-target-iqns"
    rows = [[child.text for child in row] for row in root]
    assert rows == [["0", "10.0.0.1", "iqn.2001-04.a:<&>"], ["1", "10.0.0.1", "*"]]
    report = luns({"target": "h"}, [Disk("sdb", 4096, "36001", "ser", "LIO", address=(1, 0, 0, 7))])
    root = ElementTree.fromstring(report.document)
    assert root.tag == "iscsi-target"
    assert {child.tag: child.text for child in root[0]} == {
        "vendor": "LIO",
        "serial": "ser",
        "LUNid": "7",
        "size": "4096",
        "SCSIid": "36001",
    }
    assert (report.code, report.missing) == (107, "SCSIid")
    assert report.entries[0].configuration == {"target": "h", "SCSIid": "36001"}
    assert parse({"target": "h"}).port == 3260


def test_a_session_ends_with_its_last_user(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add(IQN, "one", False)
    users.add(IQN, "one", True)
    Users(tmp_path).add(IQN, "two", True)
    assert (users.held("two"), users.held("three")) == ((IQN,), ())
    assert users.remove("one") == ()
    assert Users(tmp_path).remove("two") == (IQN,)
    assert users.remove("two") == ()


def test_a_session_that_was_there_before_is_left(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add(IQN, "one", True)
    assert users.remove("one") == ()
    users.add(IQN, "one", False)
    assert users.remove("one") == (IQN,)


def test_two_at_once_are_kept_apart(tmp_path: Path) -> None:
    lock = Users(tmp_path).try_lock()
    assert lock is not None
    assert Users(tmp_path).try_lock() is None
    os.close(lock)
    again = Users(tmp_path).try_lock()
    assert again is not None
    os.close(again)


def test_sessions_are_read_from_sysfs(tmp_path: Path) -> None:
    session = tmp_path / "class" / "iscsi_session" / "session7"
    connection = tmp_path / "class" / "iscsi_connection" / "connection7:0"
    device = tmp_path / "host3" / "session7"
    lun = device / "target3:0:0" / "3:0:0:1"
    for folder in (session, connection, lun):
        folder.mkdir(parents=True)
    (session / "targetname").write_text(f"{IQN}\n")
    (session / "state").write_text("LOGGED_IN\n")
    (session / "initiatorname").write_text("iqn.2001-04.com.example:host\n")
    (session / "device").symlink_to(device)
    (connection / "persistent_address").write_text("10.0.0.1\n")
    (connection / "persistent_port").write_text("3260\n")
    (lun / "type").write_text("0\n")
    (found,) = sessions(tmp_path)
    assert (found.number, found.iqn, found.host, found.port, found.logged_in) == (7, IQN, "10.0.0.1", 3260, True)
    assert found.initiator == "iqn.2001-04.com.example:host"
    assert expected_disks(tmp_path, 7) == 1
    (lun / "block" / "sdx").mkdir(parents=True)
    assert expected_disks(tmp_path, 7) == 0
