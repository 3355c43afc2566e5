"""Install the clients that tests drive the Management API with: npm's xen-api, and Ansible's collection for XenServer.

The collection comes out of the wheel of PyPI's `ansible`, which is 210 MB unpacked: only 10 MB of it are wanted. The
modules run on `ansible-core` and `XenAPI`, which are in the virtual environment.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPTS: Final = ROOT / "tests/component/pool/clients"
COLLECTIONS: Final = ROOT / "build/clients"
ANSIBLE: Final = "ansible==12.3.0"
WANTED: Final = "ansible_collections/community/general/"


def main() -> int:
    npm = ("npm", "ci", "--prefix", str(SCRIPTS), "--ignore-scripts", "--no-audit", "--no-fund")
    subprocess.run(npm, check=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", folder)
        subprocess.run((*pip, ANSIBLE), check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(COLLECTIONS, [name for name in archive.namelist() if name.startswith(WANTED)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
