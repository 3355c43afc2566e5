"""What commands of xe work with: calls of the API as the one who types, the objects they name, and their output."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from xenhost.pool.call import ApiError, Context, Ref, Value
from xenhost.pool.cli_server import protocol
from xenhost.pool.cli_server.arguments import Arguments, CliError
from xenhost.pool.cli_server.fields import Shown, Texts, block, find_field, minimal
from xenhost.pool.database.database import Database
from xenhost.pool.session.session import Session
from xenhost.pool.wire.endpoint import Endpoint

RECORDS: Final = 200
"""Looked at without giving others their turn."""
SELECTOR_WORDS: Final = frozenset({"multiple", "force", "params", "all", "database"})


class Out(Protocol):
    """Where frames go."""

    async def write(self, data: bytes) -> None:
        """Send. Raises StreamEnded."""
        ...

    async def read_exactly(self, size: int) -> bytes:
        """What the client says. Raises StreamEnded."""
        ...


class Shell:
    """One run of one command."""

    def __init__(
        self, endpoint: Endpoint, database: Database, context: Context, session: Session, args: Arguments, out: Out
    ) -> None:
        self._endpoint = endpoint
        self.database: Final = database
        self._context = context
        self.session: Final = session
        self.args: Final = args
        self._out = out
        self.texts: Final = Texts(database)

    async def call(self, method: str, *params: Value) -> Value:
        """Call the API. Raises ApiError."""
        found = self._endpoint.dispatcher.find(method)
        if found is None:
            raise ApiError("MESSAGE_METHOD_UNKNOWN", method)
        return await self._endpoint.call_as(self._context, self.session, found, method, params)

    async def print(self, text: str) -> None:
        """A line for the user."""
        await self._out.write(protocol.print_out(text))

    async def connect(self, url: str) -> None:
        """Let the user talk to whoever answers a CONNECT there, until either ends. Raises CliError."""
        if not await self.answered(protocol.connect(url)):
            raise CliError("Error: the connection has failed")

    async def answered(self, command: bytes) -> bool:
        """Have the client do something that takes time; whether it could. Raises CliProtocolError, StreamEnded."""
        await self._out.write(command)
        while True:
            untrusted = await self._out.read_exactly(protocol.frame_length(await self._out.read_exactly(4)))
            if not protocol.is_wait(untrusted):
                return protocol.is_ok(untrusted)

    async def print_uuid(self, cls: str, ref: Value) -> None:
        """The UUID of what was made."""
        await self.print(str(await self.call(f"{cls}.get_uuid", ref)))

    async def print_records(self, rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """A table; with --minimal its first column."""
        if self.args.minimal:
            await self.print(minimal([row[0][1] for row in rows if row]))
            return
        for row in rows:
            await self.print(block(row))

    async def find(self, cls: str, text: str) -> Ref:
        """The object of that UUID, or of that name if only one has it. Raises ApiError, CliError."""
        try:
            return Ref(str(await self.call(f"{cls}.get_by_uuid", text)))
        except ApiError as error:
            if error.code != "UUID_INVALID" or self._endpoint.dispatcher.find(f"{cls}.get_by_name_label") is None:
                raise
        found = await self.call(f"{cls}.get_by_name_label", text)
        if not isinstance(found, list | tuple) or not found:
            raise CliError(f"Error: no {cls} is called {text!r:.80}, and none has it as its UUID")
        if len(found) > 1:
            raise CliError(f"Error: several are called {text!r:.80}; give the UUID")
        return Ref(str(found[0]))

    async def records(self, cls: str) -> Mapping[str, Mapping[str, Value]]:
        """All objects of a class. Raises ApiError."""
        found = await self.call(f"{cls}.get_all_records")
        assert isinstance(found, Mapping)
        return found  # type: ignore[return-value] # records by reference

    async def matching(self, cls: str, wanted: Mapping[str, str]) -> Mapping[str, Mapping[str, Value]]:
        """Those whose fields have these values: `name=value`, `map:key=value`, `set:contains=value`.

        Others get their turn between them. Raises ApiError, CliError for a field that there is not.
        """
        filters = self._filters(cls, wanted)
        found: dict[str, Mapping[str, Value]] = {}
        for count, (ref, record) in enumerate((await self.records(cls)).items(), 1):
            if self._matches(record, filters):
                found[ref] = record
            if count % RECORDS == 0:
                await asyncio.sleep(0)
        return found

    def _filters(self, cls: str, wanted: Mapping[str, str]) -> Sequence[tuple[Shown, str, str]]:
        """Field, key in it, and value. Raises CliError."""
        model = self.database.model.classes[cls]
        found: list[tuple[Shown, str, str]] = []
        for name, text in wanted.items():
            plain, _, key = name.partition(":")
            shown = find_field(model, plain)
            if shown is None:
                raise CliError(f"Error: {cls} has no field {plain!r:.60}")
            found.append((shown, key, text))
        return found

    def _matches(self, record: Mapping[str, Value], filters: Sequence[tuple[Shown, str, str]]) -> bool:
        for shown, key, text in filters:
            value = record.get(shown.field.name)
            if key and isinstance(value, Mapping):
                if key not in value or self.texts.text(value[key]) != text:
                    return False
            elif key == "contains" and isinstance(value, list | tuple):
                if text not in [self.texts.text(each) for each in value]:
                    return False
            elif self.texts.of(shown, record).lower() != text.lower():
                return False
        return True

    async def selected_vms(self) -> Sequence[Ref]:
        """The VMs that the parameters choose. Raises CliError."""
        wanted = {name: text for name, text in self.args.params.items() if name not in SELECTOR_WORDS}
        model = self.database.model.classes["VM"]
        wanted = {
            name: text for name, text in wanted.items() if name == "vm" or find_field(model, name.partition(":")[0])
        }
        named = wanted.pop("vm", None)
        found = [
            Ref(ref)
            for ref, record in (await self.matching("VM", wanted)).items()
            if not record["is_a_template"]
            and not record["is_control_domain"]
            and (named is None or named in (record["uuid"], record["name_label"]))
        ]
        if not found:
            raise CliError("Error: No matching VMs found")
        if len(found) > 1 and not self.args.flag("multiple"):
            raise CliError("Error: Multiple matches VMs found. --multiple required to complete the operation")
        return found
