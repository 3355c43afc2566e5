"""The block graph of a storage daemon, without I/O: options of nodes, and what a graph says about a chain.

A layer with number N is two nodes: `fN` opens the file or device, `iN` the format above it. The node `top`, a throttle
filter, is above the leaf; exports and jobs name it. Numbers are never reused in a process, and go with their paths
into a small file, because QEMU tells paths back only wrapped up in JSON that grows with the square of the chain.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from pathlib import Path
from typing import Final

from xenhost.core.storage import AttachMode, IoLimits
from xenhost.sm.datapath.port import Layer

TOP: Final = "top"
LIMITS: Final = "limits"
FORMATS: Final = ("raw", "qcow2", "vpc")
NBD: Final = "nbd"
"""Format of a layer that is not a file but an export of another daemon: its path is the URI, `nbd+unix:///..`."""
NBD_PREFIX: Final = "nbd+unix:///"
DEVICES: Final = "/dev/"

Options = dict[str, object]


class Access(StrEnum):
    """How a file is read and written."""

    READ_CACHED = auto()
    """Read through the page cache, written past it; with io_uring. What is only read is the base of many disks often.

    QEMU cannot change the way of a node that is open, but whether it goes through the page cache.
    """
    NATIVE = auto()
    """Past the page cache, with Linux AIO."""
    DIRECT = auto()
    """Past the page cache, with QEMU's threads: fs.aio-max-nr is used up."""
    CACHED = auto()
    """The file system knows no other way."""


_AIO: Final = {
    Access.READ_CACHED: "io_uring",
    Access.NATIVE: "native",
    Access.DIRECT: "threads",
    Access.CACHED: "threads",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A layer and how it is opened."""

    number: int
    layer: Layer
    access: Access = Access.NATIVE

    @property
    def file(self) -> str:
        """Name of the node of the file."""
        return f"f{self.number}"

    @property
    def image(self) -> str:
        """Name of the node of the format."""
        return f"i{self.number}"

    def file_options(self, mode: AttachMode) -> Options:
        """Options of the node of the file."""
        if self.layer.format == NBD:
            return self._nbd_options(mode)
        device = self.layer.path.startswith(DEVICES)
        return {
            "driver": "host_device" if device else "file",
            "node-name": self.file,
            "filename": self.layer.path,
            "read-only": mode is AttachMode.RO,
            "discard": "unmap",
            "cache": {"direct": self._direct(mode)},
            "aio": _AIO[self.access],
            **({} if self.layer.locks else {"locking": "off"}),
        }

    def image_options(self, mode: AttachMode, backing: "Node | None", file: Options | str) -> Options:
        """Options of the node of the format; what the image says about its backing file is not looked at."""
        options: Options = {
            "driver": "raw" if self.layer.format == NBD else self.layer.format,
            "node-name": self.image,
            "read-only": mode is AttachMode.RO,
            "discard": "unmap",
            "file": file,
        }
        if self.layer.format == "qcow2":
            options["backing"] = None if backing is None else backing.image
            options["detect-zeroes"] = "unmap" if mode is AttachMode.RW else "off"
        return options

    def open_options(self, mode: AttachMode, backing: "Node | None") -> Options:
        """What opens it: both nodes."""
        return self.image_options(mode, backing, self.file_options(mode))

    def _direct(self, mode: AttachMode) -> bool:
        if self.access is Access.READ_CACHED:
            return mode is AttachMode.RW
        return self.access is not Access.CACHED

    def _nbd_options(self, mode: AttachMode) -> Options:
        export, _, socket = self.layer.path.removeprefix(NBD_PREFIX).partition("?socket=")
        return {
            "driver": "nbd",
            "node-name": self.file,
            "read-only": mode is AttachMode.RO,
            "server": {"type": "unix", "path": socket},
            "export": export,
        }

    def after(self, complaint: str) -> "Node | None":
        """The next best way, after this one was refused with that message; None: the reason is another."""
        if "O_DIRECT" in complaint and self.access is not Access.CACHED:
            return replace(self, access=Access.CACHED)
        if "io_uring" in complaint and self.access is Access.READ_CACHED:
            return replace(self, access=Access.NATIVE)
        if "native AIO" in complaint and self.access is Access.NATIVE:
            return replace(self, access=Access.DIRECT)
        return None

    def reopen_options(self, mode: AttachMode, backing: "Node | None") -> list[Options]:
        """What opens both nodes again in another mode."""
        return [self.file_options(mode), self.image_options(mode, backing, self.file)]


def below_leaf(node: Node) -> Node:
    """How it is opened as a base."""
    return replace(node, access=Access.READ_CACHED) if node.layer.read_caching else node


def setup(nodes: Sequence[Node], mode: AttachMode, limits: IoLimits, socket: Path, export: Options) -> list[str]:
    """The words that have a storage daemon open a chain, the base first, and serve it."""
    group: Options = {"qom-type": "throttle-group", "id": LIMITS, LIMITS: throttle_options(limits)}
    words = ["--object", _compact(group)]
    below: Node | None = None
    for node in nodes:
        options = node.open_options(mode if node is nodes[-1] else AttachMode.RO, below)
        words += ["--blockdev", _compact(options)]
        below = node
    assert below is not None  # check_layers wants one
    words += ["--blockdev", _compact(top_options(below))]
    words += ["--nbd-server", f"addr.type=unix,addr.path={str(socket).replace(',', ',,')}"]
    return [*words, "--export", _compact(export)]


def top_options(leaf: Node) -> Options:
    """Options of the node `top`."""
    return {"driver": "throttle", "node-name": TOP, "throttle-group": LIMITS, "file": leaf.image}


def _compact(options: Options) -> str:
    return json.dumps(options, separators=(",", ":"))


def check_layers(layers: Sequence[Layer]) -> None:
    """Raises ValueError if they cannot be opened so."""
    if not layers:
        raise ValueError("a chain has at least one image")
    if [layer.format for layer in layers] == [NBD] and layers[0].path.startswith(NBD_PREFIX):
        return
    for layer in layers:
        if layer.format not in FORMATS:
            raise ValueError(f"{layer.path} has the format {layer.format!r}; it must be one of {', '.join(FORMATS)}")
        if not layer.path.startswith("/"):
            raise ValueError(f"{layer.path} is not an absolute path")
    for layer in layers[:-1]:
        if layer.format != "qcow2":
            raise ValueError(f"{layer.path} has the format {layer.format}, which has no backing file")
    if len({layer.path for layer in layers}) != len(layers):
        raise ValueError(f"an image is in its own chain: {', '.join(layer.path for layer in layers)}")


def throttle_options(limits: IoLimits) -> Options:
    """Limits as a throttle group has them."""
    return {"iops-total": limits.iops, "bps-total": limits.bytes_per_second}


def read_limits(untrusted_limits: object) -> IoLimits:
    """Limits out of a throttle group."""
    match untrusted_limits:
        case {"iops-total": int() as iops, "bps-total": int() as bps}:
            return IoLimits(iops, bps)
    return IoLimits()


def encode_nodes(mode: AttachMode, nodes: Mapping[int, Node]) -> bytes:
    """The small file: what the numbers mean."""
    entries = {
        n.number: {
            "path": n.layer.path,
            "format": n.layer.format,
            "access": n.access.value,
            "locks": n.layer.locks,
        }
        for n in nodes.values()
    }
    return json.dumps({"mode": mode.value, "nodes": entries}).encode()


def decode_nodes(data: bytes) -> tuple[AttachMode, dict[int, Node]]:
    """Reads the small file. Raises ValueError."""
    match json.loads(data):
        case {"mode": str() as mode, "nodes": dict() as entries}:
            return AttachMode(mode), {int(number): _node(int(number), entry) for number, entry in entries.items()}
    raise ValueError("the file of nodes has no nodes")


def _node(number: int, entry: object) -> Node:
    match entry:
        case {"path": str() as path, "format": str() as format, "access": str() as access, **rest}:
            return Node(number, Layer(path, format, rest.get("locks") is not False), Access(access))
    raise ValueError(f"node {number} has no path")


@dataclass(frozen=True, slots=True)
class Graph:
    """What a graph says."""

    chain: tuple[int, ...]
    """Numbers below `top`, the leaf first; empty: there is no `top`."""
    images: frozenset[int]
    """Numbers of all layers that are open."""


def read_graph(untrusted_graph: object) -> Graph:
    """The answer of `x-debug-query-block-graph`. Filters that jobs put in are passed through. Raises ValueError."""
    names: dict[int, str] = {}
    below: dict[int, dict[str, int]] = {}
    match untrusted_graph:
        case {"nodes": list() as nodes, "edges": list() as edges}:
            for node in nodes:
                match node:
                    case {"id": int() as id, "name": str() as name, "type": "block-driver"}:
                        names[id] = name
            for edge in edges:
                match edge:
                    case {"parent": int() as parent, "child": int() as child, "name": str() as name}:
                        below.setdefault(parent, {})[name] = child
        case _:
            raise ValueError("the storage daemon's block graph cannot be read")
    chain = []
    at = next((id for id, name in names.items() if name == TOP), None)
    for _ in range(len(names)):
        if at is None:
            break
        number = _number(names.get(at, ""))
        children = below.get(at, {})
        if number is None:
            at = children.get("file", children.get("backing"))
        else:
            chain.append(number)
            at = children.get("backing")
    return Graph(tuple(chain), frozenset(n for name in names.values() if (n := _number(name)) is not None))


def _number(name: str) -> int | None:
    return int(name[1:]) if name[:1] == "i" and name[1:].isdigit() else None
