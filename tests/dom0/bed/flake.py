"""The emulator's known flake, recognised on Xen's console.

QEMU's SVM emulation now and then lets host state get into a PVH or HVM guest's VMCB. Xen then logs one of the lines
below and resets the domain. PV domains do not use SVM and do not have it.
"""

import re
from pathlib import Path

SIGNATURE = re.compile(
    r"^\(XEN\) .*(?:Triple fault - invoking HVM shutdown action|SVM Insn len emulation failed).*$",
    re.MULTILINE,
)


def signs(serial_log: Path, offset: int = 0) -> list[str]:
    """The lines of Xen's console, from ``offset`` on, that show the flake."""
    try:
        data = serial_log.read_bytes()[offset:]
    except FileNotFoundError:
        return []
    return [line.strip() for line in SIGNATURE.findall(data.decode(errors="replace"))]
