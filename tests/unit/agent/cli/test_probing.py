"""What `sr probe` prints."""

from typing import Any

from xenhost.agent.cli.parse import ConfigArg, parse_config
from xenhost.agent.cli.probing import choices, next_commands

KEYS = [
    {"name": "target", "description": "address of the server", "required": True, "secret": False},
    {"name": "targetIQN", "description": "name of the target", "required": True, "secret": False},
    {"name": "chappassword", "description": "password", "required": False, "secret": True},
]


def entry(**fields: Any) -> dict[str, Any]:
    empty = {"sr_id": "", "name": "", "description": "", "size_bytes": 0, "complete": False, "configuration": {}}
    return {**empty, **fields}


def test_each_choice_comes_with_the_command_that_takes_it() -> None:
    found = {
        "missing": "targetIQN",
        "entries": [entry(configuration={"target": "10.0.0.1", "targetIQN": f"iqn.x:{name}"}) for name in "ab"],
    }
    columns, rows = choices(found, {"target"})
    assert columns == [("number", "#"), ("key targetIQN", "targetIQN")]
    assert [row["key targetIQN"] for row in rows] == ["iqn.x:a", "iqn.x:b"]
    assert list(next_commands("lvmoiscsi", [parse_config("target=10.0.0.1")], [], found, KEYS)) == [
        "choose targetIQN: name of the target",
        "1:  xenhost sr probe lvmoiscsi -c target=10.0.0.1 -c targetIQN=iqn.x:a",
        "2:  xenhost sr probe lvmoiscsi -c target=10.0.0.1 -c targetIQN=iqn.x:b",
    ]


def test_an_sr_that_is_there_is_introduced_and_a_free_place_becomes_one() -> None:
    found = {
        "missing": "",
        "entries": [
            entry(configuration={"a": "1"}, complete=True, sr_id="6a1f4d0e-0000-4000-8000-00000000000a", name="a b"),
            entry(configuration={"a": "2"}, complete=True),
        ],
    }
    assert list(next_commands("nfs", [], [("k", "v")], found, [])) == [
        "1:  xenhost sr introduce 6a1f4d0e-0000-4000-8000-00000000000a --name 'a b' --type nfs -c a=1 --sm-config k=v",
        "2:  xenhost sr create NAME --type nfs -c a=2 --sm-config k=v",
    ]


def test_a_key_that_is_missing_is_asked_for() -> None:
    found = {"missing": "target", "entries": []}
    assert list(next_commands("iscsi", [], [], found, KEYS)) == [
        "choose target: address of the server",
        "  xenhost sr probe iscsi -c target=...",
    ]


def test_nothing_found_says_how_to_make_one() -> None:
    found = {"missing": "", "entries": []}
    lines = list(next_commands("file", [parse_config("location=/srv/my sr")], [], found, []))
    assert lines[1] == "  xenhost sr create NAME --type file -c 'location=/srv/my sr'"


def test_a_secret_is_not_printed_and_one_from_a_file_stays_there() -> None:
    found = {
        "missing": "",
        "entries": [entry(configuration={"chappassword": "********", "target": "t"}, complete=True)],
    }
    typed = ConfigArg("chappassword", "hunter2", "chappassword=hunter2")
    (line,) = next_commands("iscsi", [typed], [], found, KEYS)
    assert line == "1:  xenhost sr create NAME --type iscsi -c 'chappassword=********' -c target=t"
    kept = ConfigArg("chappassword", "hunter2", "chappassword=@/root/pw")
    (line,) = next_commands("iscsi", [kept], [], found, KEYS)
    assert "-c chappassword=@/root/pw" in line
    assert "hunter2" not in line


def test_what_a_server_says_cannot_drive_the_terminal() -> None:
    found = {"missing": "", "entries": [entry(configuration={"path": "/e\x1b[2J"}, complete=True)]}
    (line,) = next_commands("nfs", [], [], found, [])
    assert "\x1b" not in line
