"""A SMAPIv3 plugin as a place: its scripts, called as a host calls them, and nothing believed."""

import json
import os
import signal
import stat
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from xenhost.sm.sdk.conformance.place import Broken, Failure, NotOffered, Space, Volume

_SDK: Final = str(Path(__file__).parents[4])
"""Where a plugin finds `xenhost.sm.sdk`, as under the agent."""
CAPABILITY: Final = {
    "SR_PROBE": "SR.probe",
    "SR_DELETE": "SR.destroy",
    "VDI_CREATE": "Volume.create",
    "VDI_DELETE": "Volume.destroy",
    "VDI_RESIZE": "Volume.resize",
    "VDI_SNAPSHOT": "Volume.snapshot",
    "VDI_CLONE": "Volume.clone",
    "VDI_REVERT": "Volume.revert",
    "VDI_CONFIG_CBT": "Volume.list_changed_blocks",
    "VDI_UPDATE": "Volume.set_name",
    "KEYS": "Volume.set",
}
"""The script that shows that a plugin can do something."""


class ScriptFolder:
    """One plugin: a folder of scripts."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self._seconds = seconds

    def scripts(self) -> Mapping[str, Path]:
        """Those that are there, by lower-case name."""
        return {
            path.name.lower(): path
            for path in sorted(self.folder.iterdir(), reverse=True)
            if path.is_file() and os.access(path, os.X_OK)
        }

    def has(self, method: str) -> bool:
        """Is there a script?"""
        return method.lower() in self.scripts()

    def call(self, method: str, **arguments: Any) -> Any:
        """Run one. Raises Failure for what it reports, Broken for what it must not do."""
        script = self.scripts().get(method.lower())
        if script is None:
            raise NotOffered(f"there is no {method}")
        status, out, err = self._run([str(script), "--json"], json.dumps({"dbg": "conformance", **arguments}))
        said = " ".join(err.split())[-300:]
        try:
            answer = json.loads(out)
        except (ValueError, RecursionError):
            raise Broken(
                f"{method}: exit status {status}; standard output must be one JSON value, not {out[:200]!r} ({said})"
            ) from None
        if status == 0:
            return answer
        if status < 0:
            raise Broken(f"{method}: ended by signal {-status} ({said})")
        if not isinstance(answer, dict) or not isinstance(answer.get("code"), str):
            raise Broken(f'{method}: a failure must print {{"code": "...", "params": [...]}}, not {out[:200]!r}')
        if not isinstance(answer.get("params", []), list):
            raise Broken(f"{method}: params of a failure must be a list of texts")
        raise Failure(answer["code"], ", ".join(map(str, answer.get("params", []))))

    def _run(self, argv: Sequence[str], document: str) -> tuple[int, str, str]:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (_SDK, os.environ.get("PYTHONPATH"))))},
        )
        try:
            out, err = process.communicate(document, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Broken(f"{os.path.basename(argv[0])}: no answer within {self._seconds:g} s") from None
        return process.returncode, out, err


class ScriptPlace:
    """An SR of a volume plugin, and the datapath plugins beside it."""

    missing_code: Sequence[str] = ("Volume_does_not_exist",)

    def __init__(
        self, volume: ScriptFolder, datapaths: Mapping[str, ScriptFolder], configuration: Mapping[str, str]
    ) -> None:
        self.plugin = volume
        self.datapaths = datapaths
        self.uuid = str(uuid.uuid4())
        self.configuration = dict(configuration)
        self.handle = ""
        self._features: set[str] | None = None

    def needs(self, *capabilities: str) -> None:
        """By the scripts that are there; of those a host takes only with a declaration, by that, too."""
        if self._features is None:
            query = self.plugin.call("Plugin.Query")
            self._features = {str(feature).partition("/")[0] for feature in query.get("features", [])}
        for each in capabilities:
            script = CAPABILITY.get(each)
            if script is not None and not self.plugin.has(script):
                raise NotOffered(f"there is no {script}")
            if each in ("VDI_REVERT", "VDI_CONFIG_CBT", "VDI_RESIZE_ONLINE") and each not in self._features:
                raise NotOffered(f"{each} is not declared")

    def create_sr(self) -> None:
        """SR.create."""
        arguments = {"configuration": self.configuration, "name": "conformance", "description": ""}
        answer = self.plugin.call("SR.create", uuid=self.uuid, **arguments)
        if not isinstance(answer, dict):
            raise Broken(f"SR.create must answer with the configuration for SR.attach, not {answer!r}")
        self.configuration = {**self.configuration, **answer, "sr_uuid": self.uuid}

    def create_another_sr(self) -> None:
        """SR.create with another UUID."""
        configuration = {key: value for key, value in self.configuration.items() if key != "sr_uuid"}
        arguments = {"configuration": configuration, "name": "another", "description": ""}
        self.plugin.call("SR.create", uuid=str(uuid.uuid4()), **arguments)

    def attach_sr(self) -> None:
        """SR.attach."""
        answer = self.plugin.call("SR.attach", configuration=self.configuration)
        if not isinstance(answer, str) or not answer:
            raise Broken(f"SR.attach must answer with a text, not {answer!r}")
        self.handle = answer

    def detach_sr(self) -> None:
        """SR.detach."""
        self.plugin.call("SR.detach", sr=self.handle)

    def destroy_sr(self) -> None:
        """SR.destroy."""
        self.plugin.call("SR.destroy", sr=self.handle)

    def space(self) -> Space:
        """SR.stat."""
        answer = self.plugin.call("SR.stat", sr=self.handle)
        health = answer.get("health") or ["Healthy", ""]
        return Space(number(answer, "free_space"), number(answer, "total_space"), health[0] == "Healthy")

    def volumes(self) -> Mapping[str, Volume]:
        """SR.ls."""
        listed = [_volume(each) for each in self.plugin.call("SR.ls", sr=self.handle)]
        if len({each.key for each in listed}) < len(listed):
            raise Broken("SR.ls lists a key twice")
        return {each.key: each for each in listed}

    def create(self, size: int, name: str = "conformance", description: str = "") -> Volume:
        """Volume.create."""
        fields = {"name": name, "description": description, "size": size, "sharable": False}
        return _volume(self.volume("Volume.create", **fields))

    def stat(self, key: str) -> Volume:
        """Volume.stat."""
        return _volume(self.volume("Volume.stat", key=key))

    def destroy(self, key: str) -> None:
        """Volume.destroy."""
        self.volume("Volume.destroy", key=key)

    def resize(self, key: str, size: int) -> None:
        """Volume.resize."""
        self.volume("Volume.resize", key=key, new_size=size)

    def snapshot(self, key: str) -> Volume:
        """Volume.snapshot."""
        return _volume(self.volume("Volume.snapshot", key=key))

    def clone(self, key: str) -> Volume:
        """Volume.clone."""
        return _volume(self.volume("Volume.clone", key=key))

    def revert(self, key: str, snapshot: str) -> None:
        """Volume.revert."""
        self.volume("Volume.revert", snapshot=snapshot, key=key)

    def rename(self, key: str, name: str, description: str) -> None:
        """Volume.set_name, Volume.set_description."""
        self.volume("Volume.set_name", key=key, new_name=name)
        self.volume("Volume.set_description", key=key, new_description=description)

    def volume(self, method: str, **arguments: Any) -> Any:
        """Any method about volumes."""
        return self.plugin.call(method, sr=self.handle, **arguments)

    def datapath(self, key: str) -> tuple[ScriptFolder, str]:
        """The plugin for the best URI of a volume, and the URI."""
        uris = self.volume("Volume.stat", key=key).get("uri") or []
        for uri in uris:
            plugin = self.datapaths.get(urlsplit(uri).scheme)
            if plugin is not None:
                return plugin, uri
        raise Broken(f"no URI of {uris} has the scheme of a datapath plugin: {', '.join(self.datapaths) or 'none'}")

    @contextmanager
    def active(self, key: str, writable: bool = True) -> Iterator[str]:
        """Through the datapath plugin."""
        plugin, uri = self.datapath(key)
        who = {"uri": uri, "domain": "u0_conformance"}
        answer = plugin.call("Datapath.attach", **who)
        try:
            readonly = not writable and plugin.has("Datapath.activate_readonly")
            plugin.call("Datapath.activate_readonly" if readonly else "Datapath.activate", **who)
            try:
                yield _path(answer)
            finally:
                plugin.call("Datapath.deactivate", **who)
        finally:
            plugin.call("Datapath.detach", **who)


def number(fields: Mapping[str, Any], name: str) -> int:
    """A number of bytes."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Broken(f"{name} must be a number of bytes, not {value!r}")
    return value


def _volume(answer: Any) -> Volume:
    if not isinstance(answer, dict):
        raise Broken(f"a volume record must be a struct, not {answer!r}")
    for name in ("key", "name", "description"):
        if not isinstance(answer.get(name), str):
            raise Broken(f"{name} of a volume must be a text, not {answer.get(name)!r}")
    number(answer, "physical_utilisation")
    if not isinstance(answer.get("keys"), dict) or not isinstance(answer.get("uri"), list):
        raise Broken("keys of a volume must be a struct, and uri a list")
    read_only = answer.get("read_write") is False
    return Volume(answer["key"], answer["name"], answer["description"], number(answer, "virtual_size"), read_only)


def _path(answer: Any) -> str:
    implementations = answer.get("implementations") if isinstance(answer, dict) else None
    if not isinstance(implementations, list) or not implementations:
        raise Broken(f"Datapath.attach must name implementations, not {answer!r}")
    for kind, fields in implementations:
        path = fields.get("params" if kind == "XenDisk" else "path", "")
        if (
            kind != "Nbd"
            and os.path.exists(path)
            and stat.S_IFMT(os.stat(path).st_mode) in (stat.S_IFREG, stat.S_IFBLK)
        ):
            return str(path)
    raise NotOffered("only NBD is offered, which this suite does not read")
