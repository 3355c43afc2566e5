"""What a plugin has answered and the next agent must know, in files that a reboot of the host clears. Blocking."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum, auto
from pathlib import Path

from xenhost.core.storage import AttachMode, SrId, VdiId
from xenhost.system.whole_file import replace_file


class Phase(StrEnum):
    """How far a VDI is."""

    ATTACHED = auto()
    ACTIVATING = auto()
    """Datapath.activate was begun; nobody knows how far it came."""
    ACTIVE = auto()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A VDI whose datapath is attached."""

    mode: AttachMode
    phase: Phase
    datapath: str
    """Folder name of the datapath plugin."""
    uri: str
    domain: str
    opened: bool
    places: tuple[tuple[str, str], ...]
    temporary: str = ""
    """Key of the copy that was made for this boot; empty: it is the volume itself."""
    limited: bool = False
    """An image server of ours limits it."""


class SrState:
    """One SR's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle = folder / "sr.json"

    def handle(self) -> str | None:
        """What SR.attach answered; None: not attached since the host started."""
        found = _read(self._handle)
        return None if found is None else str(found["handle"])

    def set_handle(self, handle: str) -> None:
        """It is attached."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self._handle, {"handle": handle})

    def clear(self) -> None:
        """It is not attached any more, nor is any VDI of it."""
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rmdir()

    def get(self, vdi: VdiId) -> Attachment | None:
        """One; None if the VDI is not attached."""
        fields = _read(self._path(vdi))
        if fields is None:
            return None
        places = tuple((str(kind), str(place)) for kind, place in fields["places"])
        fields |= {"mode": AttachMode(fields["mode"]), "phase": Phase(fields["phase"]), "places": places}
        return Attachment(**fields)

    def put(self, vdi: VdiId, attachment: Attachment) -> Attachment:
        """Keep it, and give it back."""
        _write(self._path(vdi), asdict(attachment))
        return attachment

    def drop(self, vdi: VdiId) -> None:
        """The VDI is not attached any more."""
        self._path(vdi).unlink(missing_ok=True)

    def all(self) -> Mapping[VdiId, Attachment]:
        """Everything that is attached."""
        names = [VdiId(path.name.removesuffix(".vdi.json")) for path in self._folder.glob("*.vdi.json")]
        found = {vdi: self.get(vdi) for vdi in names}
        return {vdi: attachment for vdi, attachment in found.items() if attachment is not None}

    def _path(self, vdi: VdiId) -> Path:
        return self._folder / f"{vdi}.vdi.json"


class Configurations:
    """What SR.create answered: the configuration that SR.attach takes. It outlives the host's restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, sr: SrId) -> Mapping[str, str]:
        """That of an SR; empty if it was not made here."""
        found = _read(self._folder / f"{sr}.json")
        return {str(key): str(value) for key, value in (found or {}).items()}

    def put(self, sr: SrId, configuration: Mapping[str, str]) -> None:
        """Keep it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(self._folder / f"{sr}.json", configuration)

    def drop(self, sr: SrId) -> None:
        """The SR is destroyed."""
        (self._folder / f"{sr}.json").unlink(missing_ok=True)


def _read(path: Path):  # type: ignore[no-untyped-def]  # what we wrote ourselves
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def _write(path: Path, fields: Mapping[str, object]) -> None:
    replace_file(path, json.dumps(fields).encode(), 0o600)
