"""The thin gRPC client: one channel, one method for each call, errors as Failure. Imported only when a call is made."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2

from xenhost.agent.cli.failure import ExitCode, Failure, refused
from xenhost.agent.cli.target import Target
from xenhost.agent.rpc.status import DETAILS_KEY, DOMAIN
from xenhost.api.host.v1 import (
    console_service_pb2,
    console_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    host_service_pb2,
    host_service_pb2_grpc,
    vbd_service_pb2_grpc,
    vif_service_pb2_grpc,
    vm_pb2,
    vm_service_pb2,
    vm_service_pb2_grpc,
)

CALL_SECONDS: Final = 30.0
"""Deadline of a call that does not wait for anything."""
_OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.keepalive_time_ms", 30_000))


class Client:
    """A connection to one agent. Use as a context manager."""

    def __init__(self, target: Target) -> None:
        self._target: Final = target
        self._channel: Final = _channel(target)
        self.vms: Final = _stub(vm_service_pb2_grpc, "VmServiceStub", self._channel)
        self.vbds: Final = _stub(vbd_service_pb2_grpc, "VbdServiceStub", self._channel)
        self.vifs: Final = _stub(vif_service_pb2_grpc, "VifServiceStub", self._channel)
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

    def operation(self, name: str) -> Any:
        """One operation."""
        return self.call(self._operations.GetOperation, operations_pb2.GetOperationRequest(name=name))

    def operations(self) -> list[Any]:
        """All operations that the agent still knows, oldest first."""
        found: list[Any] = []
        token = ""
        while True:
            page = self.call(self._operations.ListOperations, operations_pb2.ListOperationsRequest(page_token=token))
            found += page.operations
            token = page.next_page_token
            if not token:
                return found

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
        stream = self._events.WatchEvents(request)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self.failure_of(error) from None
        finally:
            stream.cancel()

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
                        return refused(code.name, info.reason, status.message)
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
