"""Plugins of the host that drivers call through host.call_plugin: `tapdisk-pause`, `on-slave` and the like."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xenhost.core.errors import NotImplementedHere
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.command import CommandError, Commands
from xenhost.sm.smapiv1.failures import printable, process_failure
from xenhost.sm.smapiv1.plugin import ENVIRONMENT
from xenhost.system import xml_tree as tree
from xenhost.system import xmlrpc as codec
from xenhost.system.xmlrpc import Fault

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECONDS: Final = 240.0


class HostPlugins:
    """The executables of a folder, run as xapi runs those of `/etc/xapi.d/plugins`."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._folder = folder
        self._commands = commands

    async def call(self, name: str, session: str, function: str, args: Mapping[str, str]) -> str:
        """Run one. Raises NotImplementedHere if it is not installed, SrBackendFailure if it fails."""
        path = self._folder / name
        if not _NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            raise NotImplementedHere(
                f"there is no plugin {printable(name)} in {self._folder}; install it, or do without", function=name[:64]
            )
        document = codec.dump_call(function, session, args)
        try:
            result = await self._commands.run(str(path), document, timeout=_SECONDS, env=ENVIRONMENT)
            value = codec.load_response(result.stdout)
        except (CommandError, tree.CodecError) as error:
            raise process_failure(f"{name}.{function}: {error}", "", "") from error
        return _unwrap(name, value)


def _unwrap(name: str, value: codec.Value | Fault) -> str:
    """Plugins answer with a struct of Status and Value, as the Management API does, or with the text alone."""
    if isinstance(value, Mapping):
        if value.get("Status") == "Success" and isinstance(text := value.get("Value"), str):
            return text
    elif isinstance(value, str):
        return value
    message = printable(str(value))
    raise SrBackendFailure(
        f"the plugin {name} failed: {message}", status="XENAPI_PLUGIN_FAILURE", msg=message, detail=""
    )
