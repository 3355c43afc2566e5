"""Members of enums as xe writes them, where they differ from the API's (xapi, record_util.ml). Scripts compare them."""

from collections.abc import Mapping
from typing import Final

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "vm_power_state": {"Halted": "halted", "Paused": "paused", "Running": "running", "Suspended": "suspended"},
    "on_normal_exit": {"destroy": "Destroy", "restart": "Restart"},
    "on_crash_behaviour": {
        "destroy": "Destroy",
        "coredump_and_destroy": "Core dump and destroy",
        "restart": "Restart",
        "coredump_and_restart": "Core dump and restart",
        "preserve": "Preserve",
        "rename_restart": "Rename restart",
    },
    "on_softreboot_behavior": {
        "destroy": "Destroy",
        "restart": "Restart",
        "preserve": "Preserve",
        "soft_reboot": "Soft reboot",
    },
    "vdi_type": {
        "system": "System",
        "user": "User",
        "ephemeral": "Ephemeral",
        "suspend": "Suspend",
        "crashdump": "Crashdump",
        "ha_statefile": "HA statefile",
        "metadata": "Metadata",
        "redo_log": "Redo log",
        "pvs_cache": "PVS cache",
        "cbt_metadata": "CBT metadata",
    },
    "console_protocol": {"vt100": "VT100", "rfb": "RFB", "rdp": "RDP"},
    "task_allowed_operations": {"cancel": "Cancel", "destroy": "Destroy"},
    "allocation_algorithm": {"depth_first": "depth-first", "breadth_first": "breadth-first"},
    "domain_type": {"pv_in_pvh": "pv-in-pvh"},
}


def shown(enum: str, member: str) -> str:
    """What xe writes."""
    return _WORDS.get(enum, {}).get(member, member)


def meant(enum: str, text: str) -> str:
    """The member that is written so; the text itself if none is."""
    words = _WORDS.get(enum, {})
    return next((member for member, word in words.items() if text.lower() in (word.lower(), member.lower())), text)
