"""The how-to's examples do what it says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xenhost.rrd.plugin.file import PluginFile

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/howto/examples/data-source"
ENTROPY = Path("/proc/sys/kernel/random/entropy_avail")


def test_the_c_program_is_a_plugin(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler"
    program = tmp_path / "entropy"
    words = ["-Wall", "-Wextra", "-Werror", "-O2", "-fsanitize=address,undefined"]
    subprocess.run([compiler, *words, "-o", str(program), str(EXAMPLES / "entropy.c"), "-lz"], check=True)
    subprocess.run([str(program), str(tmp_path / "e")], check=True)
    reading = PluginFile("e", tmp_path).read()
    assert reading is not None
    assert [(source.name, source.units) for source in reading.sources] == [("entropy_available", "bits")]
    assert 0 <= reading.values[0] <= 4096


def test_the_python_program_says_what_the_kernel_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"""
import runpy, sys, threading
sys.path.insert(0, {str(EXAMPLES)!r})
import xenhost.rrd.sdk as sdk
sdk.STEP, sdk._EARLY = 0.02, 0.01
import entropy
from pathlib import Path
plugin = sdk.Plugin("e", Path({str(tmp_path)!r}))
threading.Timer(0.3, plugin.stop).start()
plugin.run(lambda: [(entropy.ENTROPY, float(entropy.FILE.read_text()))])
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    reading = PluginFile("e", tmp_path).read()
    assert reading is not None
    assert 0 <= reading.values[0] <= 4096
