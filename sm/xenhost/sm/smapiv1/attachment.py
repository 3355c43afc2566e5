"""What vdi_attach answers, kept until the host stops: where an activated VDI is to be found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

from xenhost.core.storage import AttachMode, Backend, BackendKind, VdiId
from xenhost.sm.foreign import local_backend, nbd_backend
from xenhost.system.xmlrpc import Value

PHYSICAL: Final = Path("/dev/sm/phy")
"""Where XenServer's drivers link the device of a VDI that nothing needs to serve."""
_MAX_TEXT: Final = 4096


class Phase(StrEnum):
    """How far a VDI is."""

    ATTACHED = auto()
    ACTIVATING = auto()
    """vdi_activate was begun; nobody knows how far it came."""
    ACTIVE = auto()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A VDI that is attached."""

    mode: AttachMode
    phase: Phase
    params: str = ""
    """Path of a block device or raw file."""
    params_nbd: str = ""
    """`nbd:unix:<socket>:exportname=<name>`."""
    xenstore_data: Mapping[str, str] | None = None
    """What drivers want to see beside a VBD (`sm-data`)."""
    limited: bool = False
    """It is served by an image server of ours, which limits it."""


class AttachmentError(Exception):
    """The answer of vdi_attach cannot be used; the text says why."""


def read_answer(mode: AttachMode, untrusted: Value) -> Attachment:
    """Read what vdi_attach answered: a struct, or just the path as in the oldest drivers. Raises AttachmentError."""
    if isinstance(untrusted, str):
        untrusted = {"params": untrusted}
    if not isinstance(untrusted, Mapping):
        raise AttachmentError("vdi_attach must answer with a struct")
    data = untrusted.get("xenstore_data", {})
    if not isinstance(data, Mapping):
        raise AttachmentError("xenstore_data must be a struct")
    return Attachment(
        mode,
        Phase.ATTACHED,
        _text(untrusted.get("params", "")),
        _text(untrusted.get("params_nbd", "")),
        {key: _text(value) for key, value in data.items()},
    )


def _text(untrusted: Value) -> str:
    if not isinstance(untrusted, str) or len(untrusted) > _MAX_TEXT or "\0" in untrusted:
        raise AttachmentError(f"vdi_attach must answer with texts of at most {_MAX_TEXT} characters")
    return untrusted


def backends(sr: str, vdi: VdiId, attachment: Attachment) -> Sequence[Backend]:
    """How an active VDI can be reached, block devices first; nothing if its driver names no place. Blocking.

    Raises AttachmentError if it names places, and nothing usable is there.
    """
    found: list[Backend] = []
    if attachment.params and (backend := local_backend(attachment.params)):
        found.append(backend)
    if attachment.params_nbd and (backend := nbd_backend(attachment.params_nbd)):
        found.append(backend)
    if attachment.params or attachment.params_nbd:
        if not found:
            named = attachment.params or attachment.params_nbd
            raise AttachmentError(f"there is no block device, raw file or NBD socket at {named!r}")
        return found
    backend = local_backend(str(PHYSICAL / sr / vdi))
    return [backend] if backend is not None and backend.kind is BackendKind.BLOCK else []


class Attachments:
    """Those of an SR, in files that a reboot of the host clears. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = folder / "attached"

    def attached(self) -> bool:
        """Is the SR attached, by this agent or an earlier one?"""
        return self._mark.exists()

    def mark(self) -> None:
        """It is."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark.touch()

    def clear(self) -> None:
        """It is not any more, nor is any VDI of it."""
        self._mark.unlink(missing_ok=True)
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rmdir()

    def get(self, vdi: VdiId) -> Attachment | None:
        """One; None if the VDI is not attached."""
        try:
            fields = json.loads(self._path(vdi).read_text())
        except FileNotFoundError:
            return None
        return Attachment(**{**fields, "mode": AttachMode(fields["mode"]), "phase": Phase(fields["phase"])})

    def put(self, vdi: VdiId, attachment: Attachment) -> Attachment:
        """Keep it, and give it back."""
        path = self._path(vdi)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(attachment)))
        temporary.rename(path)
        return attachment

    def step(self, vdi: VdiId, attachment: Attachment, phase: Phase) -> Attachment:
        """Keep that it has come so far."""
        return self.put(vdi, replace(attachment, phase=phase))

    def drop(self, vdi: VdiId) -> None:
        """The VDI is not attached any more."""
        self._path(vdi).unlink(missing_ok=True)

    def all(self) -> Mapping[VdiId, Attachment]:
        """Everything that is attached."""
        found = {VdiId(path.stem): self.get(VdiId(path.stem)) for path in self._folder.glob("*.json")}
        return {vdi: attachment for vdi, attachment in found.items() if attachment is not None}

    def _path(self, vdi: VdiId) -> Path:
        return self._folder / f"{vdi}.json"
