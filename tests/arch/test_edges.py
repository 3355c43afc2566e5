"""Things that only certain modules may do."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "agent/xenhost"
WIRE = {"grpc", "google", "grpc_health", "grpc_reflection", "grpc_status"}
NO_WIRE = {"xenhost.api.tls_files"}
"""Of the same package, but paths of files."""
EDGE = ("agent/rpc/", "agent/link/", "agent/cli/", "agent/demo/")
CATCH_ALL = {
    "agent/engine/actor.py",
    "agent/rpc/interceptors.py",
    "agent/metrics/sampler.py",  # the bytes of one plugin, or one meter, must not end the measuring of all
    "agent/metrics/plugins/plugin.py",
}


def test_only_the_edge_knows_the_wire_types() -> None:
    wrong = []
    for path in AGENT.rglob("*.py"):
        name = str(path.relative_to(AGENT))
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules = [each for each in modules if each not in NO_WIRE]
            wire = [each for each in modules if each.startswith("xenhost.api") or each.partition(".")[0] in WIRE]
            if wire and not name.startswith(EDGE):
                wrong.append(f"{name} imports {wire[0]}")
    assert not wrong


def test_everything_is_caught_in_few_places_only() -> None:
    found = {
        str(path.relative_to(AGENT))
        for path in AGENT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    }
    assert found <= CATCH_ALL


def test_the_version_is_that_of_the_package() -> None:
    import tomllib

    from xenhost.agent.version import VERSION

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
