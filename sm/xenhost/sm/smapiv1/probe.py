"""What a probe found: the XML documents of XenServer's drivers as typed entries."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import ProbeEntry, ProbeReport, SrId
from xenhost.sm.smapiv1.failures import printable
from xenhost.system import xml_tree as tree
from xenhost.system.xml_tree import CodecError, Element

STAGES: Final[Mapping[int, str]] = {
    87: "LUN",
    89: "LUNid",
    90: "device",
    94: "location",
    95: "target",
    96: "targetIQN",
    101: "serverpath",
    102: "server",
    107: "SCSIid",
    220: "location",
}
"""Failures that say which key of device-config to choose next."""
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "targetIQN": ("TargetIQN",),
    "SCSIid": ("SCSIid",),
    "serverpath": ("Path",),
    "device": ("path", "Path", "device"),
    "LUN": ("LUNid",),
    "LUNid": ("LUNid",),
}
"""Where a document has the values of a key."""
_MAX_ENTRIES: Final = 4096


def complete(device_config: Mapping[str, str], untrusted_document: str) -> ProbeReport:
    """What a probe with everything it needs found: the SRs that are there."""
    entries = []
    for element in _entries(untrusted_document):
        found = _leaves(element)
        uuid = found.pop("UUID", found.pop("uuid", "")).strip().lower()
        size = found.pop("size", "")
        entries.append(
            ProbeEntry(
                configuration=device_config,
                complete=True,
                sr=SrId(uuid) if is_uuid(uuid) else None,
                name=found.pop("name_label", ""),
                description=found.pop("name_description", ""),
                size=int(size) if size.isascii() and size.isdecimal() and len(size) < 20 else 0,
                extra=found,
            )
        )
    return ProbeReport(tuple(entries), untrusted_document)


def stage(device_config: Mapping[str, str], code: int, untrusted_stderr: str) -> ProbeReport:
    """What an incomplete probe offers: the values that the missing key may have."""
    missing = STAGES[code]
    start = untrusted_stderr.find("<?xml")
    document = untrusted_stderr[start:].strip() if start >= 0 else ""
    entries = []
    for element in _entries(document):
        found = _leaves(element)
        choice = next((found[name] for name in _CHOICES.get(missing, ()) if found.get(name)), "")
        if choice:
            entries.append(ProbeEntry({**device_config, missing: choice}, complete=False, extra=found))
    return ProbeReport(tuple(entries), document, code, missing)


def _entries(untrusted_document: str) -> list[Element]:
    """The elements right below the root; nothing if the document cannot be read: it is shown as it is."""
    try:
        return tree.parse(untrusted_document.strip()).children[:_MAX_ENTRIES]
    except CodecError:
        return []


def _leaves(element: Element) -> dict[str, str]:
    return {printable(child.name): printable(child.text()) for child in element.children if not child.children}
