"""native/hatch_build.py: builds what changed, leaves out what cannot be built, says so."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build script, working on a folder of its own with one program in it."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "native" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "hatch_build", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(module, "WORK", tmp_path / "work")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "p.h").write_text("#define CODE 0\n")
    (tmp_path / "p.c").write_text('#include "p.h"\nint main(void) { return CODE; }\n')
    return module


def test_a_part_is_built_once_and_again_when_a_source_or_header_changes(builder: ModuleType, tmp_path: Path) -> None:
    parts = (builder.Program("p", sources=("p.c",)),)
    assert builder.build_all(parts).built == ["p"]
    assert builder.build_all(parts).fresh == ["p"]
    (tmp_path / "src" / "p.h").write_text("#define CODE 1\n")
    assert builder.build_all(parts).built == ["p"]
    (tmp_path / "p.c").write_text("int main(void) { return 0; }\n")
    report = builder.build_all(parts)
    assert report.built == ["p"]
    assert report.targets == [tmp_path / "package" / "bin" / "p"]
    report.targets[0].unlink()
    assert builder.build_all(parts).built == ["p"]


def test_a_part_without_its_headers_is_left_out_with_one_message(
    builder: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (
        builder.Program("p", sources=("p.c",)),
        builder.Program("x", sources=("x.c",), system_headers=("no-such-header.h",)),
        builder.Program("y", sources=("y.c",), system_headers=("no-such-header.h",)),
    )
    report = builder.build_all(parts)
    assert (report.built, report.skipped) == (["p"], ["x", "y"])
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "x, y" in message
    assert "no-such-header.h" in message
    with pytest.raises(builder.NativeBuildError, match="libxen-dev"):
        builder.build_all(parts, required=True)


def test_every_source_named_in_the_table_exists(builder: ModuleType) -> None:
    for part in builder.PARTS:
        for name in part.sources:
            assert (ROOT / "native" / name).is_file(), f"{part.stem} needs native/{name}"
