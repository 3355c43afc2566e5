"""Waiting for an operation: progress for people, Ctrl-C to cancel it, a second one to leave it alone."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import click

from xenhost.agent.cli.failure import ExitCode, Failure, failed

if TYPE_CHECKING:
    from xenhost.agent.cli.client import Client
    from xenhost.agent.cli.session import Session

LOOK_SECONDS: Final = 0.25
"""Between two looks at the progress; the end of the operation is seen at once."""
_RESPONSES: Final = {
    "Vm": ("vm", "vm"),
    "Sr": ("storage", "sr"),
    "Vdi": ("storage", "vdi"),
    "Network": ("network", "network"),
    "Pif": ("network", "pif"),
    "Bond": ("network", "bond"),
    "Vlan": ("network", "vlan"),
    "Tunnel": ("network", "tunnel"),
    "NetworkSriov": ("network", "network_sriov"),
    "ManagementInterface": ("network", "management"),
}
"""Messages: the module that has each, which is imported only if it is needed, and what it is called here."""
RECONNECT_SECONDS: Final = 15.0
"""How long an agent that vanished while we wait (an upgrade, say) has to come back."""


def carry_out(session: Session, client: Client, operation: Any, no_wait: bool, done: str) -> None:
    """See an operation through and report it. `done` says what is true now, with `name`, `id` and `domid` of the
    object in braces.

    Raises Failure if it failed, was cancelled, or was left running.
    """
    from xenhost.agent.cli.shapes import operation_shape, shape

    name = operation.name.removeprefix("operations/")
    if no_wait:
        if session.as_json:
            session.line(operation_shape(operation))
        else:
            click.echo(name)
        return
    ended = wait_for(session, client, operation)
    described = operation_shape(ended)
    if described["error"] is None:
        kind, found = response_of(ended)
        if session.as_json:
            session.line(described | {kind: shape(found)})
        else:
            domid = found.status.domid if kind == "vm" else 0
            handle = getattr(found, "id", "")
            name = getattr(found, "name", "") or described["target_name"] or handle
            click.echo(done.format(name=name, id=handle, domid=domid))


def response_of(operation: Any) -> tuple[str, Any]:
    """What an operation that has succeeded answers with, and what that is: vm, sr, vdi, network, pif, ..."""
    name = operation.response.TypeName().rpartition(".")[2]
    module, kind = _RESPONSES.get(name, _RESPONSES["Vm"])
    found = getattr(import_module(f"xenhost.api.host.v1.{module}_pb2"), name if name in _RESPONSES else "Vm")()
    operation.response.Unpack(found)
    return kind, found


def wait_for(session: Session, client: Client, operation: Any) -> Any:
    """The operation once it has succeeded. Raises Failure otherwise."""
    from xenhost.agent.cli.shapes import operation_shape

    try:
        ended, interrupted = _wait(session, client, operation)
    except KeyboardInterrupt:
        short = operation.name.removeprefix("operations/")
        hint = f"xenhost operation wait {short}"
        raise Failure(f"operation {short} was left running", ExitCode.INTERRUPTED, hint) from None
    described = operation_shape(ended)
    error = described["error"]
    if error is None:
        return ended
    if session.as_json:
        session.line(described)
    if described["state"] == "cancelled" and interrupted:
        raise Failure(f"{described['kind']} was cancelled", ExitCode.INTERRUPTED)
    raise failed(error["reason"], error["message"], error["fields"].get("class_name", ""))


def _wait(session: Session, client: Client, operation: Any) -> tuple[Any, bool]:
    """The operation when it has ended, and whether we asked it to. The second Ctrl-C is a KeyboardInterrupt."""
    name, short = operation.name, operation.name.removeprefix("operations/")
    interrupted = asked = False
    lost_since: float | None = None
    with progress_view(session) as view:
        while True:
            try:
                if interrupted and not asked:
                    client.cancel(name)
                    asked = True
                if not operation.done:
                    metadata = _metadata(operation)
                    what = f"{metadata.kind} {metadata.target_name or metadata.target}"
                    view.show(what, metadata.step, metadata.progress)
                if operation.done:
                    return operation, interrupted
                operation = client.wait(name, LOOK_SECONDS)
                lost_since = None
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                view.remark("cancelling; press Ctrl-C again to leave it running")
            except Failure as failure:
                if failure.exit_code != ExitCode.UNREACHABLE:
                    raise
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > RECONNECT_SECONDS:
                    failure.hint = f"the operation goes on when it is back: xenhost operation wait {short}"
                    raise
                time.sleep(LOOK_SECONDS)


class View(Protocol):
    """How progress is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, what: str, step: str, fraction: float) -> None:
        """What is done, at what it is (empty: at nothing yet), how far."""
        ...

    def remark(self, text: str) -> None:
        """A line of its own."""
        ...


class _Lines:
    """One line for each step, to standard error; nothing if quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet: Final = quiet
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, what: str, step: str, fraction: float) -> None:
        """A line if the step is another one."""
        if step and step != self._last and not self._quiet:
            self._last = step
            click.echo(f"... {step}", err=True)

    def remark(self, text: str) -> None:
        """A line."""
        click.echo(text, err=True)


class _Bar:
    """A progress bar on a terminal, gone when the operation has ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=1.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, what: str, step: str, fraction: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=fraction, description=f"{what}: {step or 'waiting'}")

    def remark(self, text: str) -> None:
        """A line above the bar."""
        self._progress.console.print(text, markup=False)


def progress_view(session: Session) -> View:
    """A bar on a terminal, else lines."""
    return _Bar() if sys.stderr.isatty() else _Lines(quiet=session.as_json)


def _metadata(operation: Any) -> Any:
    from xenhost.api.host.v1 import operation_pb2

    metadata = operation_pb2.OperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata
