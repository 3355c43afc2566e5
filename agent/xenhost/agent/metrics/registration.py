"""The calls with which plugins, and tools of XenServer, talk to the daemon of metrics: XML-RPC, bytes to bytes.

The words are xcp-rrdd's (ocaml/xapi-idl/rrd/rrd_interface.ml). A call has one struct with its parameters by name;
the answer is a struct {Status, Value} or {Status, ErrorDescription}, never a fault. Plugins announce themselves with
the wrong protocol, so what they say about it is only checked for being a word that there is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.core.errors import HandleInvalid, InvalidValue, XenhostError
from xenhost.core.ids import is_uuid
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.plugin.metadata import BadPlugin
from xenhost.rrd.store import DataSource
from xenhost.system.xml_tree import CodecError
from xenhost.system.xmlrpc import Call, Value, dump_response, legal, load_call

HEADER: Final = "DATASOURCES\n"
UNREGISTERED: Final = -1.0
MAX_NAME: Final = 256
_PROTOCOLS: Final = ("V1", "V2")
_FREQUENCY: Final = "Five_Seconds"

Params = Mapping[str, Value]


class Sources(Protocol):
    """What the calls about data sources need. All raise HandleInvalid for an owner that is not there."""

    def sources(self, owner: Owner) -> Sequence[DataSource]:
        """All of an owner."""
        ...

    def known(self, owner: Owner) -> bool:
        """Has it archives here?"""
        ...

    def record(self, owner: Owner, name: str) -> None:
        """Record one from now on. Raises InvalidValue: there is none of that name."""
        ...

    def forget(self, owner: Owner, name: str) -> None:
        """Drop its archives."""
        ...

    def query(self, owner: Owner, name: str) -> float:
        """Its newest value. Raises InvalidValue: it is not recorded."""
        ...


class Refused(Exception):
    """The answer is a failure: its name and what it is about."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.description: Final[Sequence[Value]] = [name, _legal(text)]


class Registration:
    """Answers one call after another; from any thread. `next_tick` says in how many seconds the next reading is."""

    def __init__(
        self,
        plugins: PluginTable,
        sources: Sources,
        folder: str,
        next_tick: Callable[[], float],
        save: Callable[[], None],
    ) -> None:
        self._plugins: Final = plugins
        self._sources: Final = sources
        self._folder: Final = folder
        self._next_tick: Final = next_tick
        self._methods: Final[Mapping[str, Callable[[Params], Value]]] = {
            "Plugin.get_header": lambda params: HEADER,
            "Plugin.get_path": self._path,
            "Plugin.register": self._register,
            "Plugin.deregister": self._deregister,
            "Plugin.next_reading": self._next_reading,
            "Plugin.Local.register": self._register,
            "Plugin.Local.deregister": self._deregister,
            "Plugin.Local.next_reading": self._next_reading,
            "has_vm_rrd": lambda params: sources.known(_object(params, OwnerKind.VM)),
            "save_rrds": lambda params: save(),
            **self._about("host", lambda params: HOST),
            **self._about("vm", lambda params: _object(params, OwnerKind.VM)),
            **self._about("sr", lambda params: _object(params, OwnerKind.SR)),
        }

    def answer(self, untrusted_body: bytes) -> bytes:
        """The body of the reply, whatever the request was."""
        try:
            value: Value = {"Status": "Success", "Value": self._called(load_call(untrusted_body))}
        except CodecError as error:
            value = _failure(["Rrdd_internal_error", _legal(f"the request cannot be read: {error!s:.200}")])
        except Refused as error:
            value = _failure(error.description)
        return dump_response(value).encode()

    def _called(self, call: Call) -> Value:
        method = self._methods.get(call.method)
        if method is None:
            raise Refused("Rrdd_internal_error", f"there is no method {call.method[:60]!r} here")
        params: Params = next((each for each in call.params if isinstance(each, Mapping)), {})
        try:
            return method(params)
        except InvalidValue as error:
            raise Refused("Datasource_missing", str(error)) from None
        except (XenhostError, BadPlugin) as error:
            raise Refused("Rrdd_internal_error", str(error)) from None

    # Plugins

    def _path(self, params: Params) -> Value:
        return f"{self._folder}/{_text(params, 'uid')}"

    def _register(self, params: Params) -> Value:
        for key in ("info", "frequency"):
            if params.get(key, _FREQUENCY) != _FREQUENCY:
                raise Refused("Rrdd_internal_error", f"{key} must be {_FREQUENCY}")
        protocol = params.get("protocol", _PROTOCOLS[0])
        if protocol not in _PROTOCOLS:
            raise Refused("Invalid_protocol", f"{protocol!r:.40}")
        self._plugins.register(_text(params, "uid"))
        return self._next_tick()

    def _deregister(self, params: Params) -> Value:
        self._plugins.deregister(_text(params, "uid"))
        return None

    def _next_reading(self, params: Params) -> Value:
        return self._next_tick() if self._plugins.registered(_text(params, "uid")) else UNREGISTERED

    # Data sources

    def _about(self, word: str, owner: Callable[[Params], Owner]) -> Mapping[str, Callable[[Params], Value]]:
        sources = self._sources

        def add(params: Params) -> None:
            sources.record(owner(params), _text(params, "ds_name"))

        def forget(params: Params) -> None:
            sources.forget(owner(params), _text(params, "ds_name"))

        return {
            f"add_{word}_ds": add,
            f"forget_{word}_ds": forget,
            f"query_{word}_ds": lambda params: sources.query(owner(params), _text(params, "ds_name")),
            f"query_possible_{word}_dss": lambda params: [_described(each) for each in sources.sources(owner(params))],
        }


def _described(source: DataSource) -> Value:
    return {
        "name": _legal(source.name),
        "description": _legal(source.description),
        "enabled": source.enabled,
        "standard": source.standard,
        "min": _finite(source.min),
        "max": _finite(source.max),
        "units": _legal(source.units),
    }


def _finite(value: float) -> float:
    """XML-RPC has no word for infinity; OCaml's reader takes "inf", and Python's too."""
    return value if not math.isnan(value) else 0.0


def _object(params: Params, kind: OwnerKind) -> Owner:
    uuid = _text(params, f"{kind.value}_uuid").strip().lower()
    if not is_uuid(uuid):
        raise HandleInvalid(
            f"{uuid!r:.60} is not the UUID of a {kind.upper()}", class_name=kind.upper(), handle=uuid[:60]
        )
    return Owner(kind, uuid)


def _text(params: Params, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise Refused("Rrdd_internal_error", f"{name} must be a text of 1 to {MAX_NAME} characters")
    return value


def _failure(description: Sequence[Value]) -> Value:
    return {"Status": "Failure", "ErrorDescription": description}


def _legal(text: str) -> str:
    return text if legal(text) else "".join(char if legal(char) else "?" for char in text)
