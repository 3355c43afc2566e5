from pathlib import Path

from xenhost.pool.reference import generate

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/reference/xenapi.md"


def test_the_page_says_what_the_daemon_answers() -> None:
    same = PAGE.read_text() == generate()
    assert same, "write it anew: .venv/bin/python -m xenhost.pool.reference docs/reference/xenapi.md"
