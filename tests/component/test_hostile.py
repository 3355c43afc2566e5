"""Requests that nobody should send: each is answered with one of our errors, and the agent serves on."""

import asyncio
import random
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import MessageFactory

from component.harness.client import Client
from xenhost.api.host.v1 import (
    bond_service_pb2,
    console_service_pb2,
    event_service_pb2,
    host_service_pb2,
    network_service_pb2,
    pif_service_pb2,
    pvs_service_pb2,
    sdn_service_pb2,
    sr_service_pb2,
    sriov_service_pb2,
    tunnel_service_pb2,
    vbd_service_pb2,
    vdi_service_pb2,
    vif_service_pb2,
    vlan_service_pb2,
    vm_service_pb2,
)
from xenhost.api.status import error_of_call

FILES: tuple[Any, ...] = (
    bond_service_pb2,
    console_service_pb2,
    event_service_pb2,
    host_service_pb2,
    network_service_pb2,
    operations_pb2,
    pif_service_pb2,
    pvs_service_pb2,
    sdn_service_pb2,
    sr_service_pb2,
    sriov_service_pb2,
    tunnel_service_pb2,
    vbd_service_pb2,
    vdi_service_pb2,
    vif_service_pb2,
    vlan_service_pb2,
    vm_service_pb2,
)
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
WORDS = [
    "",
    "x",
    "\0",
    "../../etc",
    "/",
    "xvda",
    "hdc",
    "0",
    "-1",
    "operations/",
    "\U0001f4a5" * 100,
    "a" * 3000,
    "1.9e9/x",
    "10.0.0.1",
    "fd00::1/64",
    "eth0",
]
NETWORK_SERVICES = (
    *("NetworkService", "PifService", "BondService", "VlanService", "TunnelService", "NetworkSriovService"),
    *("SdnControllerService", "PvsService"),
)
REFUSED = {"/xenhost.api.host.v1.VdiService/GenerateVdiConfig": {"UNIMPLEMENTED"}}
"""SR_OPERATION_NOT_SUPPORTED: drivers of ours have no VDIs that are attached without an agent."""
PROTOTYPE: Any = vars(MessageFactory)["GetPrototype"].__get__(MessageFactory())  # the stubs forgot it
NUMBERS = [0, 1, 2, 7, 16, 255, 4096, 2**31 - 1]


def filled(kind: Any, chance: random.Random, depth: int = 0) -> Any:
    """A message with anything in its fields."""
    message: Any = PROTOTYPE(kind)()
    for field in kind.fields:
        if chance.random() < 0.4 or depth > 4:
            continue
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update({chance.choice(WORDS): chance.choice(WORDS) for _ in range(3)})
        elif field.message_type is not None:
            for _ in range(chance.choice([1, 1, 3]) if repeated else 1):
                target = getattr(message, field.name)
                (target.add() if repeated else target).CopyFrom(filled(field.message_type, chance, depth + 1))
        else:
            values = [_value(field, chance) for _ in range(3)]
            if repeated:
                getattr(message, field.name).extend(values)
            else:
                setattr(message, field.name, values[0])
    return message


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return chance.choice(WORDS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.randbytes(20)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chance.random() < 0.5
    return chance.choice(NUMBERS)


def service_of(path: str) -> str:
    """`/xenhost.api.host.v1.VmService/GetVm` is VmService."""
    return path.split("/")[1].rpartition(".")[2]


async def answered(channel: Any, path: str, raw: bytes) -> str:
    """The code that a call ends with; empty if it succeeds."""
    try:
        match path.rpartition("/")[2]:
            case "ImportVdi":
                call = channel.stream_unary(path)()
                await call.write(raw)
                await call.done_writing()
                async with asyncio.timeout(5):
                    await call
            case "AttachConsole":
                call = channel.stream_stream(path)()
                await call.write(raw)
                await call.done_writing()
                await call.read()
                call.cancel()
            case "WatchEvents" | "ExportVdi" | "ListChangedBlocks" | "GetHostNetwork":
                call = channel.unary_stream(path)(raw)
                await call.read()
                call.cancel()
            case _:
                await channel.unary_unary(path)(raw, timeout=1)
    except grpc.aio.AioRpcError as failure:
        error = error_of_call(failure)
        return error.code if error else failure.code().name
    return ""


@pytest.mark.parametrize("path", METHODS)
async def test_whatever_is_sent_is_answered_with_one_of_our_errors(client: Client, tmp_path: Path, path: str) -> None:
    chance, method = random.Random(path), METHODS[path]
    known = {"VmService": (await client.create(name="x")).id}
    if "SrService" in path or "VdiService" in path:
        (tmp_path / "sr").mkdir()
        known["SrService"] = (await client.create_sr("x", tmp_path / "sr")).id
        known["VdiService"] = (await client.create_vdi("x", "x")).id
    if service_of(path) in NETWORK_SERVICES:
        (pif, *_) = (await client.host_network()).pifs
        known |= dict.fromkeys(NETWORK_SERVICES, pif.id) | {"NetworkService": pif.network_id}
    service = service_of(path) if service_of(path) in known else "VmService"
    for round_ in range(40):
        if round_ % 4 == 0:
            raw = chance.randbytes(chance.randrange(60))
        else:
            message: Any = filled(method.input_type, chance)
            for field in ("id", "vm_id", "pif_id", "tagged_pif_id", "transport_pif_id", "physical_pif_id"):
                if hasattr(message, field) and chance.random() < 0.5:
                    setattr(message, field, known[service])
            if hasattr(message, "request_id") and chance.random() < 0.8:
                message.request_id = ""
            raw = message.SerializeToString()
        answer = await answered(client.channel, path, raw)
        assert answer not in {"INTERNAL", "UNKNOWN", "UNIMPLEMENTED"} - REFUSED.get(path, set()), raw
    assert (await client.hosts.GetHost(host_service_pb2.GetHostRequest())).hypervisor == "sim"
