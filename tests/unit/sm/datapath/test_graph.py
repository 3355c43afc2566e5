"""What a storage daemon is told about nodes, and what its graph tells."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from xenhost.core.storage import AttachMode, IoLimits
from xenhost.sm.datapath.graph import (
    Access,
    Graph,
    Node,
    below_leaf,
    check_layers,
    decode_nodes,
    encode_nodes,
    read_graph,
    read_limits,
    setup,
    throttle_options,
)
from xenhost.sm.datapath.port import Layer

LEAF, BASE = Layer("/sr/leaf.qcow2", "qcow2"), Layer("/sr/base.vhd", "vpc")
RO, RW = AttachMode.RO, AttachMode.RW


def graph(*edges: tuple[str, str, str]) -> object:
    names = list(dict.fromkeys(name for parent, _, child in edges for name in (parent, child)))
    nodes = [{"id": n, "name": name, "type": "block-driver"} for n, name in enumerate(names)]
    told = [{"parent": names.index(parent), "name": name, "child": names.index(child)} for parent, name, child in edges]
    return {"nodes": [*nodes, {"id": 99, "name": "", "type": "block-backend"}], "edges": told}


def test_a_chain_is_read_through_the_filters_that_jobs_put_in() -> None:
    untrusted_graph = graph(
        ("top", "file", "#block7"),
        ("#block7", "backing", "i2"),
        ("i2", "file", "f2"),
        ("i2", "backing", "#block8"),
        ("#block8", "backing", "i1"),
        ("i1", "file", "f1"),
        ("i1", "backing", "i0"),
        ("i0", "file", "f0"),
        ("i5", "file", "f5"),
    )
    assert read_graph(untrusted_graph) == Graph((2, 1, 0), frozenset({0, 1, 2, 5}))


def test_a_graph_that_goes_round_ends() -> None:
    assert read_graph(graph(("top", "file", "i0"), ("i0", "backing", "i0"))).chain[0] == 0


@pytest.mark.parametrize("untrusted_graph", [None, [], {}, {"nodes": 1, "edges": 2}])
def test_what_is_no_graph_is_refused(untrusted_graph: object) -> None:
    with pytest.raises(ValueError, match="graph"):
        read_graph(untrusted_graph)


def test_a_daemon_without_a_chain_has_none() -> None:
    assert read_graph({"nodes": [], "edges": []}) == Graph((), frozenset())


def test_the_file_of_nodes_is_read_again() -> None:
    nodes = {0: Node(0, BASE), 7: Node(7, LEAF, Access.CACHED)}
    assert decode_nodes(encode_nodes(RW, nodes)) == (RW, nodes)


def test_an_image_is_not_locked_where_that_would_keep_qemu_from_it() -> None:
    free = Node(0, Layer("/smb/a.qcow2", "qcow2", locks=False))
    assert free.file_options(AttachMode.RW)["locking"] == "off"
    assert "locking" not in Node(0, Layer("/a.qcow2", "qcow2")).file_options(AttachMode.RW)
    assert decode_nodes(encode_nodes(AttachMode.RW, {0: free}))[1] == {0: free}


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"mode":"rw","nodes":{"0":{}}}', b'{"mode":"x","nodes":{}}'])
def test_a_damaged_file_of_nodes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|nodes|path|valid"):
        decode_nodes(data)


def test_backing_files_are_named_by_node_or_none() -> None:
    leaf, base = Node(1, LEAF), Node(0, BASE)
    assert leaf.open_options(RW, base)["backing"] == "i0"
    assert leaf.open_options(RW, None)["backing"] is None
    assert "backing" not in base.open_options(RO, None)
    assert Node(2, Layer("/dev/vg/lv", "raw")).file_options(RO)["driver"] == "host_device"


def test_a_daemon_is_told_all_it_opens_base_first_and_only_the_leaf_to_be_written() -> None:
    middle = Layer("/sr/middle.qcow2", "qcow2")
    nodes = [Node(0, BASE), Node(1, middle), Node(2, LEAF)]
    words = setup(nodes, RW, IoLimits(iops=7), Path("/run/a,b/nbd"), {"type": "nbd", "id": "vdi"})
    told = list(zip(words[::2], words[1::2], strict=True))
    assert [option for option, _ in told] == ["--object", *["--blockdev"] * 4, "--nbd-server", "--export"]
    assert read_limits(json.loads(told[0][1])["limits"]) == IoLimits(iops=7)
    blocks = [json.loads(value) for option, value in told if option == "--blockdev"]
    found = [(block["node-name"], block["driver"], block.get("backing"), block.get("read-only")) for block in blocks]
    assert found[:3] == [("i0", "vpc", None, True), ("i1", "qcow2", "i0", True), ("i2", "qcow2", "i1", False)]
    assert blocks[3] == {"driver": "throttle", "node-name": "top", "throttle-group": "limits", "file": "i2"}
    assert told[-2:] == [
        ("--nbd-server", "addr.type=unix,addr.path=/run/a,,b/nbd"),
        ("--export", '{"type":"nbd","id":"vdi"}'),
    ]


def test_the_next_best_way_to_a_file_follows_from_the_complaint() -> None:
    no_direct = "Could not open '/sr/x': filesystem does not support O_DIRECT"
    no_aio = "Unable to use native AIO: failed to create linux AIO context: Resource temporarily unavailable"
    node = Node(0, LEAF)
    cached, direct = node.after(no_direct), node.after(no_aio)
    assert cached is not None
    assert direct is not None
    assert (cached.access, direct.access) == (Access.CACHED, Access.DIRECT)
    assert cached.file_options(RO)["cache"] == {"direct": False}
    assert direct.file_options(RO)["aio"] == "threads"
    assert direct.after(no_direct) == cached
    assert cached.after(no_direct) is None
    assert direct.after(no_aio) is None
    assert node.after("No such file or directory") is None


def test_a_base_is_read_through_the_page_cache_and_written_past_it() -> None:
    base = below_leaf(Node(0, BASE))
    assert base.file_options(RO)["cache"] == {"direct": False}
    assert base.file_options(RW)["cache"] == {"direct": True}
    assert base.file_options(RO)["aio"] == base.file_options(RW)["aio"] == "io_uring"
    assert base.after("filesystem does not support O_DIRECT") == Node(0, BASE, Access.CACHED)
    assert base.after("Unable to use io_uring: failed to init linux io_uring ring") == Node(0, BASE)
    assert base.after("Unable to use native AIO: failed to create linux AIO context") is None
    assert below_leaf(Node(0, replace(BASE, read_caching=False))) == Node(0, BASE)


def test_limits_are_read_as_they_were_set() -> None:
    limits = IoLimits(iops=5, bytes_per_second=7)
    assert read_limits({**throttle_options(limits), "iops-read": 0}) == limits
    assert read_limits(None) == IoLimits()


def test_formats_without_a_backing_file_are_only_at_the_end() -> None:
    check_layers([LEAF, BASE])
    with pytest.raises(ValueError, match="no backing file"):
        check_layers([BASE, LEAF])
