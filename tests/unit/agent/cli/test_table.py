"""Tables for people."""

import sys

import pytest

from xenhost.agent.cli.table import show_fields, show_table

ROWS = [{"name": "a", "state": "running", "id": "6a1f4d0e-0000-4000-8000-000000000001", "bad": "x\x1b[2J\n"}]
COLUMNS = [("name", "Name"), ("state", "State"), ("bad", "Bad"), ("id", "UUID")]


def test_elsewhere_columns_are_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(ROWS, COLUMNS, "nothing", optional=("id",))
    assert capsys.readouterr().out == (
        "NAME  STATE    BAD     UUID\na     running  x?[2J?  6a1f4d0e-0000-4000-8000-000000000001\n"
    )


@pytest.mark.parametrize(("columns", "has_id"), [("40", False), ("120", True)])
def test_a_narrow_terminal_does_without_what_is_optional(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, has_id: bool
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_table(ROWS, COLUMNS, "nothing", optional=("id",))
    shown = capsys.readouterr().out
    assert "running" in shown
    assert ("6a1f4d0e" in shown) is has_id
    assert "[2J\n" not in shown


def test_an_empty_list_says_so_where_no_script_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([], COLUMNS, "nothing there")
    assert capsys.readouterr() == ("", "nothing there\n")


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields([("name", "a"), ("problem", ""), ("disks", ["xvda", "xvdb"]), ("nics", [])])
    assert capsys.readouterr().out == "name   a\ndisks  xvda\n       xvdb\n"
