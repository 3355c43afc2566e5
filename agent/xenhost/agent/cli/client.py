"""The thin gRPC client: one channel, one method for each call, errors as Failure. Imported only when a call is made."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final, Self

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2

from xenhost.agent.cli.failure import ExitCode, Failure, refused
from xenhost.agent.cli.network_client import NetworkCalls
from xenhost.agent.cli.target import Target
from xenhost.api.host.v1 import (
    console_service_pb2,
    console_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    host_service_pb2,
    host_service_pb2_grpc,
    sr_service_pb2,
    sr_service_pb2_grpc,
    storage_pb2,
    vbd_service_pb2_grpc,
    vdi_service_pb2,
    vdi_service_pb2_grpc,
    vif_service_pb2_grpc,
    vm_pb2,
    vm_service_pb2,
    vm_service_pb2_grpc,
)
from xenhost.api.status import DETAILS_KEY, DOMAIN

CALL_SECONDS: Final = 30.0
"""Deadline of a call that does not wait for anything."""
_OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.keepalive_time_ms", 30_000))


class Client(NetworkCalls):
    """A connection to one agent. Use as a context manager."""

    def __init__(self, target: Target) -> None:
        self._target: Final = target
        self._channel: Final = _channel(target)
        super().__init__(self._channel)
        self.vms: Final = _stub(vm_service_pb2_grpc, "VmServiceStub", self._channel)
        self.vbds: Final = _stub(vbd_service_pb2_grpc, "VbdServiceStub", self._channel)
        self.vifs: Final = _stub(vif_service_pb2_grpc, "VifServiceStub", self._channel)
        self.srs: Final = _stub(sr_service_pb2_grpc, "SrServiceStub", self._channel)
        self.vdis: Final = _stub(vdi_service_pb2_grpc, "VdiServiceStub", self._channel)
        self._host: Final = _stub(host_service_pb2_grpc, "HostServiceStub", self._channel)
        self._events: Final = _stub(event_service_pb2_grpc, "EventServiceStub", self._channel)
        self._consoles: Final = _stub(console_service_pb2_grpc, "ConsoleServiceStub", self._channel)
        self._operations: Final = _stub(operations_pb2_grpc, "OperationsStub", self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def call(self, method: Callable[..., Any], request: Any, timeout: float = CALL_SECONDS) -> Any:
        """One unary call. Raises Failure."""
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise self.failure_of(error) from None

    def host(self) -> host_service_pb2.Host:
        """The host."""
        host: host_service_pb2.Host = self.call(self._host.GetHost, host_service_pb2.GetHostRequest())
        return host

    def domains(self) -> list[host_service_pb2.Domain]:
        """Its domains."""
        return list(self.call(self._host.ListDomains, host_service_pb2.ListDomainsRequest()).domains)

    def vm(self, name: str) -> vm_pb2.Vm:
        """One VM, by UUID or name."""
        vm: vm_pb2.Vm = self.call(self.vms.GetVm, vm_service_pb2.GetVmRequest(id=name))
        return vm

    def list_vms(self, timeout: float = CALL_SECONDS) -> list[vm_pb2.Vm]:
        """All VMs."""
        return list(self.call(self.vms.ListVms, vm_service_pb2.ListVmsRequest(), timeout).vms)

    def sr(self, name: str) -> storage_pb2.Sr:
        """One SR, by UUID or name."""
        sr: storage_pb2.Sr = self.call(self.srs.GetSr, sr_service_pb2.GetSrRequest(id=name))
        return sr

    def list_srs(self, timeout: float = CALL_SECONDS) -> list[storage_pb2.Sr]:
        """All SRs."""
        return list(self.call(self.srs.ListSrs, sr_service_pb2.ListSrsRequest(), timeout).srs)

    def drivers(self) -> list[storage_pb2.SmDriver]:
        """The types of SRs."""
        return list(self.call(self.srs.ListDrivers, sr_service_pb2.ListDriversRequest()).drivers)

    def vdi(self, name: str) -> storage_pb2.Vdi:
        """One VDI, by UUID or name."""
        vdi: storage_pb2.Vdi = self.call(self.vdis.GetVdi, vdi_service_pb2.GetVdiRequest(id=name))
        return vdi

    def list_vdis(self, sr: str = "", timeout: float = CALL_SECONDS) -> list[storage_pb2.Vdi]:
        """All VDIs, or those of one SR."""
        request = vdi_service_pb2.ListVdisRequest(sr_id=sr)
        return list(self.pages(self.vdis.ListVdis, request, "vdis", timeout))

    def operation(self, name: str) -> Any:
        """One operation."""
        return self.call(self._operations.GetOperation, operations_pb2.GetOperationRequest(name=name))

    def operations(self) -> list[Any]:
        """All operations that the agent still knows, oldest first."""
        request = operations_pb2.ListOperationsRequest()
        return list(self.pages(self._operations.ListOperations, request, "operations"))

    def wait(self, name: str, seconds: float) -> Any:
        """The operation when it has ended, or after so many seconds."""
        timeout = duration_pb2.Duration()
        timeout.FromNanoseconds(int(seconds * 1e9))
        request = operations_pb2.WaitOperationRequest(name=name, timeout=timeout)
        return self.call(self._operations.WaitOperation, request, seconds + CALL_SECONDS)

    def cancel(self, name: str) -> None:
        """Ask an operation to undo itself."""
        self.call(self._operations.CancelOperation, operations_pb2.CancelOperationRequest(name=name))

    def events(self, token: str, kinds: list[Any]) -> Iterator[event_service_pb2.WatchEventsResponse]:
        """What changes. Raises Failure when the stream breaks; its `unreachable` says whether to try again."""
        request = event_service_pb2.WatchEventsRequest(resume_token=token, kinds=kinds)
        yield from self.received(self._events.WatchEvents(request))

    def console(self, name: str) -> console_service_pb2.Console:
        """Where the consoles are."""
        request = console_service_pb2.GetConsoleRequest(vm_id=name)
        console: console_service_pb2.Console = self.call(self._consoles.GetConsole, request)
        return console

    def attach(self, name: str, keys: Iterator[bytes]) -> Iterator[bytes]:
        """The serial console: what the guest says, for what is typed. Ends with the domain, or with `keys`."""

        def requests() -> Iterator[console_service_pb2.AttachConsoleRequest]:
            yield console_service_pb2.AttachConsoleRequest(vm_id=name)
            for typed in keys:
                yield console_service_pb2.AttachConsoleRequest(input=typed)
            stream.cancel()

        stream = self._consoles.AttachConsole(requests())
        try:
            for response in stream:
                yield response.output
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                raise self.failure_of(error) from None
        finally:
            stream.cancel()

    def received(self, stream: Any) -> Generator[Any, None, None]:
        """The messages of a stream; hung up when no more are wanted. Raises Failure."""
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self.failure_of(error) from None
        finally:
            stream.cancel()

    def sent(self, method: Any, messages: Iterator[Any]) -> Any:
        """The answer to a stream of messages; hung up when interrupted. Raises Failure."""
        call = method.future(messages)
        try:
            return call.result()
        except grpc.RpcError as error:
            raise self.failure_of(error) from None
        finally:
            call.cancel()

    def pages(
        self, method: Callable[..., Any], request: Any, field: str, timeout: float = CALL_SECONDS
    ) -> Iterator[Any]:
        """All items of a list that comes by pages."""
        while True:
            page = self.call(method, request, timeout)
            yield from getattr(page, field)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    def failure_of(self, error: Any) -> Failure:
        """The error of a call as a Failure."""
        # Imported here: most commands never need it.
        from google.rpc.error_details_pb2 import ErrorInfo
        from google.rpc.status_pb2 import Status

        code: grpc.StatusCode = error.code()
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS_KEY and isinstance(value, bytes):
                status, info = Status.FromString(value), ErrorInfo()
                for detail in status.details:
                    if detail.Unpack(info) and info.domain == DOMAIN:
                        return refused(code.name, info.reason, status.message, info.metadata.get("class_name", ""))
        text = error.details() or code.name
        if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return _unreachable(self._target, text)
        return refused(code.name, "", text)


def _stub(module: Any, name: str, channel: grpc.Channel) -> Any:
    """A stub of generated code, which has no types."""
    return getattr(module, name)(channel)


def _channel(target: Target) -> grpc.Channel:
    if not target.address:
        return grpc.insecure_channel(f"unix:{target.socket}", options=_OPTIONS)
    if not (target.tls_cert and target.tls_key and target.tls_ca):
        raise Failure(
            f"{target.address} is reached over TLS: --tls-cert, --tls-key and --tls-ca are needed",
            ExitCode.USAGE,
            "locally, leave --address out and use the unix socket",
        )
    try:
        key, cert, ca = (Path(path).read_bytes() for path in (target.tls_key, target.tls_cert, target.tls_ca))
    except OSError as error:
        raise Failure(f"cannot read {error.filename}: {error.strerror}", ExitCode.USAGE) from None
    options: tuple[tuple[str, Any], ...] = _OPTIONS
    if target.tls_server_name:
        options += (("grpc.ssl_target_name_override", target.tls_server_name),)
    return grpc.secure_channel(target.address, grpc.ssl_channel_credentials(ca, key, cert), options=options)


def _unreachable(target: Target, text: str) -> Failure:
    where = target.address or target.socket
    hint = "start it with `systemctl start xenhostd`, or name another with --socket or --address"
    if target.address:
        hint = "is the agent running there, and do both sides' certificates come from the same CA?"
    elif os.path.exists(target.socket) and not os.access(target.socket, os.R_OK | os.W_OK):
        hint = "you may not use that socket: be root, or in its group"
    elif not os.path.exists(target.socket):
        text = "there is no such socket"
    return Failure(f"the agent at {where} cannot be reached: {text}", ExitCode.UNREACHABLE, hint)
