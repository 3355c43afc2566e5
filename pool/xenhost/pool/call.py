"""What a call of the Management API is: between the wire, which reads and writes it, and the engine, which answers.

The wire turns bytes into values, finds the session, checks the role, and calls the dispatcher; it alone knows XML-RPC,
JSON-RPC and HTTP. The dispatcher knows types, defaults, overloads, `Async.` and what answers a method; it alone knows
the model.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, NoReturn, Protocol

Value = None | bool | int | float | str | datetime | Sequence["Value"] | Mapping[str, "Value"]
"""A value on either side of the wire.

int     64 bits, signed. XML-RPC carries it as text: the wire passes on what it got, text or number, and the dispatcher
        takes either where the model says int. What the dispatcher returns is an `int`, never text.
float   what the dispatcher returns where the model says float is a `float`, never an `int`.
str     also references (`OpaqueRef:…`, `NULL_REF` for none) and members of enums.
datetime always aware, in UTC. Coming in, it may also be ISO 8601 text.
list, tuple   a set; nobody changes one after it was passed.
dict    a map, or a record. Keys are text, also where the model says map of int or of references. What the dispatcher
        returns is a FrozenMap: a dict for every serialiser, that nobody can change.
None    void, as a result only.
"""

Ref = NewType("Ref", str)
"""A reference, `OpaqueRef:<uuid>`. Clients may send anything where one is expected: HANDLE_INVALID answers."""

NULL_REF: Final = Ref("OpaqueRef:NULL")

Implementation = Callable[..., Awaitable[Value]]
"""What answers a message: called with the Context and all declared parameters, converted and with defaults."""


class FrozenMap(dict[str, Value]):
    """A map that is never changed, so it may be shared, and what was made of it (its XML) kept."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a frozen map is never changed; make another one")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


NOTHING: Final = FrozenMap()
"""The empty map."""


class ApiError(Exception):
    """A call failed: the failure array of the API is `[code, *params]`, all text."""

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(code, *params)
        self.code: Final = code
        self.params: Final[Sequence[str]] = params

    def as_xenapi(self) -> list[str]:
        """The failure array: code, then the parameters."""
        return [self.code, *self.params]


class Role(StrEnum):
    """The six roles, the mightiest first: each may do what those after it may."""

    POOL_ADMIN = "pool-admin"
    POOL_OPERATOR = "pool-operator"
    VM_POWER_ADMIN = "vm-power-admin"
    VM_ADMIN = "vm-admin"
    VM_OPERATOR = "vm-operator"
    READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls, and how long the caller waits."""

    session: Ref = NULL_REF
    """NULL_REF for a call without session, and for the daemon's own."""
    user: str = ""
    """The name he logged in with."""
    subject: str = ""
    """The identifier of the directory's subject; empty for a local user."""
    superuser: bool = False
    """A local superuser may do everything, and sees everybody's tasks."""
    roles: frozenset[Role] = frozenset()
    originator: str = ""
    """What the client called itself at login."""
    client: str = ""
    """Its address and agent, for the log."""
    task: Ref = NULL_REF
    """The task a call runs in. The wire sets it if the client named one; `Async.` makes one."""
    deadline: float | None = None
    """On the monotonic clock, in seconds. Cancelling the awaited call means the client has gone."""


@dataclass(frozen=True, slots=True)
class Method:
    """What the wire has to know of a method before it calls it."""

    name: str
    """As listed: `VM.start`. Never with `Async.` in front, never the form `VM_start`."""
    task: bool
    """It was named with `Async.` or `InternalAsync.`: the result is the reference of a task."""
    session: bool
    """The first parameter on the wire is the session; the wire takes it off. False for logins alone."""
    roles: frozenset[Role]
    """Who may call it; the local superuser always may."""
    key_roles: Mapping[str, frozenset[Role]]
    """For add_to_ and remove_from_: roles for certain keys (parameter 1, after self); `*` at the end is any rest."""
    secret: frozenset[int]
    """Indices of parameters that are never logged."""


class Dispatcher(Protocol):
    """Answers calls. One for the process; everything runs in one event loop."""

    def find(self, name: str) -> Method | None:
        """What is called by that name, in any of its forms; None if nothing is: MESSAGE_METHOD_UNKNOWN [name]."""

    def names(self) -> Sequence[str]:
        """What system.listMethods answers: the synchronous names, `Class.method`, in a steady order."""

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """Answer the call; `params` comes without the session. `method` may have any form that `find` knows.

        Raises ApiError, and nothing else. When it returns what was changed is on disk. Of `Async.` methods the result
        is a reference of a task, at once; it goes on when the caller has gone. Any other ends if it is cancelled.
        Session and role are not looked at: that is done before.
        """


class Registry(Protocol):
    """Where the parts of the daemon say what they answer."""

    def register(self, method: str, answer: Implementation) -> None:
        """`VM.start` is answered by it, from now on. Raises KeyError for a name that the model does not have."""
