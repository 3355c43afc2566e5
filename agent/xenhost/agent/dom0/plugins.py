"""Plugins and extensions of the Management API: executables that clients call by name, as xapi runs them.

A plugin gets a methodCall of XML-RPC as its only argument: the function, with the caller's session and a struct of
texts. An extension gets `--xmlrpc`, and the methodCall on its standard input. Either prints a methodResponse, whose
value is a struct: Status, and Value or ErrorDescription (xapi_plugins.ml, xapi_extensions.ml, XenAPIPlugin.py).

What they print is untrusted. Whoever calls one gets a value, or the failure array that xapi would answer with.
"""

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from xenhost.agent.dom0.config import PluginSettings
from xenhost.sm.command import CommandError, Commands, CommandTimeout, Result
from xenhost.system import xmlrpc
from xenhost.system.xml_tree import CodecError

AT_ONCE: Final = 16
MAX_ARGUMENT: Final = 120_000
"""Bytes of a plugin's argument; the kernel takes 128 KiB."""
MAX_OUTPUT: Final = 1 << 20
MAX_ITEM: Final = 4096
"""Characters of one member of a failure array."""
MAX_ITEMS: Final = 16
MAX_LOGGED: Final = 4000
FAILED: Final = "XENAPI_PLUGIN_FAILURE"
PROTOCOL: Final = "EXTENSION_PROTOCOL_FAILURE"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one returned: a value, or the failure array of the API."""

    value: xmlrpc.Value = ""
    failure: tuple[str, ...] = ()


class Plugins:
    """Runs them, a bounded number at once."""

    def __init__(
        self, settings: PluginSettings, commands: Commands, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._settings: Final = settings
        self._commands: Final = commands
        self._log: Final = log
        self._slots: Final = asyncio.Semaphore(AT_ONCE)

    async def call(self, untrusted_name: str, function: str, session: str, args: Mapping[str, str]) -> Answer:
        """Run a plugin to its end, or for so many seconds. Cancelled, it is killed."""
        path = await asyncio.to_thread(_find, self._settings.plugins, untrusted_name)
        if path is None:
            return _failed("XENAPI_MISSING_PLUGIN", untrusted_name)
        try:
            argument = xmlrpc.dump_call(function, session, dict(args))
        except CodecError as error:
            return _failed(FAILED, "unexpected argument", "", str(error))
        if len(argument.encode()) > MAX_ARGUMENT:
            return _failed(FAILED, "unexpected argument", "", f"more than {MAX_ARGUMENT} bytes")
        result = await self._run(path, argument)
        if isinstance(result, Answer):
            return result
        if result.status:
            return _failed(FAILED, _ending(result.status), result.text(), _text(result.stderr))
        return plugin_answer(result.text())

    async def extend(self, untrusted_name: str, params: Sequence[xmlrpc.Value]) -> Answer:
        """Run an extension. Cancelled, it is killed."""
        path = await asyncio.to_thread(_find, self._settings.extensions, untrusted_name)
        if path is None:
            return _failed("MESSAGE_METHOD_UNKNOWN", untrusted_name)
        try:
            call = xmlrpc.dump_call(untrusted_name, *params)
        except CodecError as error:
            return _failed("INTERNAL_ERROR", str(path), str(error))
        result = await self._run(path, "--xmlrpc", stdin=call.encode())
        if isinstance(result, Answer):
            return _failed("INTERNAL_ERROR", str(path), *result.failure[1:])
        if result.status:
            return _failed("INTERNAL_ERROR", str(path), _ending(result.status), result.text(), _text(result.stderr))
        return extension_answer(str(path), result.text())

    async def has_extension(self, untrusted_name: str) -> bool:
        """Whether there is one by that name."""
        return await asyncio.to_thread(_find, self._settings.extensions, untrusted_name) is not None

    async def _run(self, path: Path, argument: str, stdin: bytes = b"") -> Result | Answer:
        """What it left; the Answer if it did not run to its end. What it wrote to stderr is in the log."""
        failure: Answer | None = None
        async with self._slots:
            try:
                result = await self._commands.run(
                    *(str(path), argument),
                    timeout=self._settings.seconds,
                    stdin=stdin,
                    check=False,
                    max_output=MAX_OUTPUT,
                )
            except CommandError as error:
                late = isinstance(error, CommandTimeout)
                result = error.result or Result(0, b"", b"")
                failure = _failed(FAILED, "timeout" if late else "cannot be run", result.text(), str(error))
        if result.stderr:
            self._log.info("plugin", path=str(path), status=result.status, stderr=_text(result.stderr)[-MAX_LOGGED:])
        if failure is None and len(result.stdout) >= MAX_OUTPUT:
            failure = _failed(FAILED, "too much output", "", f"more than {MAX_OUTPUT} bytes")
        return failure or result


def plugin_answer(untrusted_output: str) -> Answer:
    """What a plugin printed."""
    try:
        value = xmlrpc.load_response(untrusted_output.strip())
    except CodecError as error:
        return _failed(FAILED, "failed to parse plugin output", untrusted_output, str(error))
    match value:
        case xmlrpc.Fault():
            return _failed(FAILED, "fault", str(value.code), value.text)
        case {"Status": "Success", "Value": str(text)}:
            return Answer(text)
        case {"Status": "Failure", "ErrorDescription": [str(), *_] as items} if _texts(items):
            return _failed(*_texts(items))
    return _failed(FAILED, "unexpected XMLRPC result", untrusted_output, "")


def extension_answer(path: str, untrusted_output: str) -> Answer:
    """What an extension printed; its value may be anything."""
    try:
        value = xmlrpc.load_response(untrusted_output.strip())
    except CodecError as error:
        return _failed("INTERNAL_ERROR", path, "failed to parse extension output", untrusted_output, str(error))
    match value:
        case {"Status": "Success", "Value": found}:
            return Answer(found)
        case {"Status": "Failure", "ErrorDescription": str(text)}:
            return _failed(text)
        case {"Status": "Failure", "ErrorDescription": [str(), *_] as items} if _texts(items):
            return _failed(*_texts(items))
    return _failed(PROTOCOL, untrusted_output)


def as_json(value: xmlrpc.Value) -> str:
    """The value of an extension, for whoever asked for it."""
    return json.dumps(value, default=lambda each: each.text if isinstance(each, xmlrpc.DateTime) else str(each))


def from_json(untrusted_text: str) -> Sequence[xmlrpc.Value]:
    """Parameters of an extension. Raises ValueError."""
    try:
        found: Any = json.loads(untrusted_text)
    except RecursionError as error:
        raise ValueError("lists within lists, too deep") from error
    if not isinstance(found, list):
        raise ValueError("params are a list")
    return found


def _find(folders: Sequence[Path], untrusted_name: str) -> Path | None:
    """The executable file by that name; a name is looked for among those that are there, and never made a path."""
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        if untrusted_name in names:
            path = folder / untrusted_name
            if path.is_file() and os.access(path, os.X_OK):
                return path
    return None


def _failed(*items: str) -> Answer:
    return Answer(failure=tuple(item[:MAX_ITEM] for item in items[:MAX_ITEMS]))


def _texts(items: Sequence[object]) -> tuple[str, ...]:
    return tuple(item for item in items if isinstance(item, str)) if all(isinstance(i, str) for i in items) else ()


def _ending(status: int) -> str:
    if status > 0:
        return "non-zero exit"
    try:
        return f"signal: {signal.Signals(-status).name}"
    except ValueError:
        return f"signal: {-status}"


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
