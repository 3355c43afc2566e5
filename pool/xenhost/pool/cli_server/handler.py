"""One run of xe: arguments in, frames out, on a connection that has left HTTP."""

from typing import Final

from xenhost.pool.call import ApiError, Ref
from xenhost.pool.cli_server import commands, generic, protocol
from xenhost.pool.cli_server.arguments import Arguments, CliError, parse
from xenhost.pool.cli_server.protocol import CliProtocolError
from xenhost.pool.cli_server.shell import Shell
from xenhost.pool.database.database import Database
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable
from xenhost.pool.wire.caller import Caller, caller_of
from xenhost.pool.wire.endpoint import Endpoint, Line
from xenhost.system.http.message import TAKEN_OVER, Request, Response
from xenhost.system.http.raw import RawStream

MAX_ARGUMENTS: Final = 200 << 10
"""Bytes, as xapi allows."""
_READ_SECONDS: Final = 30.0
_ORIGINATOR: Final = "cli"
_EMERGENCY: Final = "pool-emergency-"


class CliHandler:
    """The handler of `POST /cli`."""

    def __init__(self, endpoint: Endpoint, database: Database, sessions: SessionTable) -> None:
        self._endpoint = endpoint
        self._database = database
        self._sessions = sessions

    async def __call__(self, request: Request) -> Response:
        """Answer, without a single header of HTTP. Raises StreamEnded."""
        caller = caller_of(request)
        untrusted = await request.body.read(MAX_ARGUMENTS)
        stream = await request.take_over()
        await stream.write(protocol.GREETING)
        try:
            protocol.check_greeting(await stream.read_exactly(len(protocol.GREETING), _READ_SECONDS))
            await self._run(stream, caller, request.connection, untrusted)
        except CliProtocolError:
            return TAKEN_OVER
        await stream.end()
        return TAKEN_OVER

    async def _run(self, stream: RawStream, caller: Caller, line: Line, untrusted: bytes) -> None:
        try:
            args = parse(untrusted)
            await self._command(stream, caller, line, args)
        except CliError as error:
            await stream.write(protocol.print_err(f"{error}\n") + protocol.leave(1))
        except ApiError as error:
            if error.code == "SESSION_AUTHENTICATION_FAILED":
                await stream.write(protocol.print_err("Authentication failed\n") + protocol.leave(1))
            else:
                await stream.write(protocol.failed(error.code, error.params) + protocol.leave(1))
        else:
            await stream.write(protocol.leave(0))

    async def _command(self, stream: RawStream, caller: Caller, line: Line, args: Arguments) -> None:
        if args.command == "help":
            await stream.write(protocol.print_out(commands.usage(args, generic.KINDS, generic.VERBS)))
            return
        session, mine = await self._session(caller, line, args)
        try:
            context = caller.of(session)
            with self._sessions.under_way(session.ref):
                await _dispatch(Shell(self._endpoint, self._database, context, session, args, stream))
        finally:
            if mine:
                self._sessions.remove(session.ref, "xe has ended")

    async def _session(self, caller: Caller, line: Line, args: Arguments) -> tuple[Session, bool]:
        """The session to use, and whether it was made for this. Raises ApiError."""
        if args.session:
            return self._endpoint.session(args.session), False
        method, rest = "session.login_with_password", ["", _ORIGINATOR]
        if args.command.startswith(_EMERGENCY):  # a member lets nobody in for anything else
            method, rest = "session.slave_local_login_with_password", []
        params = [args.user, args.password, *rest]
        ref = await self._endpoint.call(caller, line, method, params)
        found = self._sessions.find(Ref(str(ref)))
        assert found is not None  # nothing has waited since
        return found, True


async def _dispatch(shell: Shell) -> None:
    name = shell.args.command
    if name in commands.VM_COMMANDS:
        await commands.run_for_vms(shell, commands.VM_COMMANDS[name])
    elif name in commands.COMMANDS:
        await commands.run(shell, commands.COMMANDS[name])
    elif name in commands.MORE:
        await commands.MORE[name][0](shell)
    elif (found := generic.split(name)) is not None:
        await generic.run(shell, *found)
    else:
        raise CliError(f"Unknown command: {name[:60]}\nFor usage run: 'xe help'")
