"""SMAPIv3 plugins for tests: our example, installed below a root, and ones made of a few lines."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "docs/howto/examples/smapiv3-rawdir"


def example(root: Path) -> Path:
    """Install the example below a root, as its how-to says; Python starts without site-packages, which is quicker."""
    shutil.copytree(EXAMPLE, root, dirs_exist_ok=True)
    for program in (*root.glob("volume/*/plugin.py"), *root.glob("datapath/*/datapath.py")):
        program.write_text(program.read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable} -S", 1))
        subprocess.run(
            [sys.executable, str(program), "--install"],
            env={"PYTHONPATH": str(ROOT / "sm")},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return root


def script(folder: Path, method: str, lines: str) -> Path:
    """A script in shell."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / method
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def plugin(folder: Path, scripts: Mapping[str, str], features: str = "") -> Path:
    """A plugin of such scripts; it answers a query."""
    answer = f"""{{"plugin": "x", "name": "x", "description": "", "vendor": "", "copyright": "", "version": "1",
        "required_api_version": "5.0", "features": [{features}], "configuration": {{}}}}"""
    for method, lines in {"Plugin.Query": f"echo '{answer}'", **scripts}.items():
        script(folder, method, lines)
    return folder
