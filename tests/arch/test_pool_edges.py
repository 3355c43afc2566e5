"""Things that only certain modules of the pool master may do."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POOL = ROOT / "pool/xenhost/pool"
HEART = ("call", "schema", "model", "database", "engine", "records")
CATCH_ALL = {"engine/dispatcher.py", "engine/tasks.py"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def heart() -> list[Path]:
    files = [path for part in HEART for path in (POOL / part).rglob("*.py")]
    return [*files, POOL / "call.py"]


def test_the_heart_knows_neither_the_wire_nor_hosts() -> None:
    wrong = {
        f"{path.relative_to(POOL)} imports {name}"
        for path in heart()
        for name in imports(path)
        if name.startswith(("xenhost.api", "xenhost.system", "grpc", "h11", "xmlrpc"))
        or (name.startswith("xenhost.pool.") and name.split(".")[2] not in HEART)
    }
    assert not wrong


def test_each_part_of_the_heart_stands_on_those_before_it() -> None:
    wrong = {
        f"{path.relative_to(POOL)} imports {name}"
        for path in heart()
        for name in imports(path)
        if name.startswith("xenhost.pool.")
        and path.parent != POOL
        and HEART.index(name.split(".")[2]) > HEART.index(path.relative_to(POOL).parts[0])
    }
    assert not wrong


def test_sqlite_is_known_in_one_place() -> None:
    assert {path.name for path in POOL.rglob("*.py") if "sqlite3" in imports(path)} == {"sqlite.py", "upgrades.py"}


def test_everything_is_caught_in_two_places_of_the_heart() -> None:
    found = {
        str(path.relative_to(POOL))
        for path in heart()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    }
    assert found == CATCH_ALL
