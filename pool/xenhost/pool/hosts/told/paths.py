"""The ways to the LUNs of an SR, as a PBD shows them in other_config."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import storage_pb2

PREFIX: Final = "mpath-"
_COUNTS: Final = re.compile(r"\[\d{1,9}, ?(\d{1,9})\]")
_ID: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,127}")
_OURS: Final = ("multipathed", "iscsi_sessions")
_MOST: Final = 256
"""LUNs of one SR that are shown."""


def with_paths(other_config: Mapping[str, str], status: storage_pb2.SrStatus) -> dict[str, str]:
    """other_config with the counts of now, `[working, most there ever were since it was plugged]`, as SM writes them.

    A LUN of which nothing is said keeps its counts while the SR is attached: multipathd may not answer for a while.
    """
    others = {k: v for k, v in other_config.items() if not (k in _OURS or k.startswith(PREFIX))}
    shown = {k: v for k, v in other_config.items() if k.startswith(PREFIX)} if status.attached else {}
    for each in status.paths[:_MOST]:
        if _ID.fullmatch(each.scsi_id):
            key = f"{PREFIX}{each.scsi_id}"
            before = _COUNTS.fullmatch(shown.get(key, ""))
            most = max(each.maximum, int(before[1]) if before is not None else 0)
            shown[key] = f"[{each.current}, {most}]"
    ours = {"multipathed": "true"} if shown else {}
    if shown and status.iscsi_sessions:
        ours["iscsi_sessions"] = str(status.iscsi_sessions)
    return {**others, **shown, **ours}
