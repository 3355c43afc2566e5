"""What the API says of itself: `system.listMethods` and its siblings, which need no session."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from xenhost.pool.call import Dispatcher, Value
from xenhost.pool.schema.declarations import Message
from xenhost.pool.schema.model import Model

_LIST: Final = "system.listMethods"


class Written:
    """The answer of system.listMethods in one notation: a long one that hardly ever changes."""

    def __init__(self, write: Callable[[Value], Iterator[str]]) -> None:
        self._write = write
        self._names: Value = None
        self._text = ""

    def of(self, names: Value) -> str:
        """As text; written anew if the names are others than before."""
        if names != self._names:
            self._names, self._text = names, "".join(self._write(names))
        return self._text


def is_list(method: str) -> bool:
    """Whether it is system.listMethods."""
    return method == _LIST


class Introspection:
    """The answers of class system."""

    def __init__(self, model: Model, dispatcher: Dispatcher) -> None:
        self._model = model
        self._dispatcher = dispatcher

    def answer(self, method: str, params: Sequence[Value]) -> Value | None:
        """The answer; None if the method is another."""
        match method:
            case _ if is_list(method):
                return list(self._dispatcher.names())
            case "system.methodHelp":
                message = self._message(params)
                return message.doc if message is not None else ""
            case "system.methodSignature":
                message = self._message(params)
                return "undef" if message is None else [_signature(message)]
        return None

    def _message(self, params: Sequence[Value]) -> Message | None:
        name = params[-1] if params else None
        found = self._dispatcher.find(name) if isinstance(name, str) else None
        return self._model.messages.get(found.name) if found is not None else None


def _signature(message: Message) -> list[Value]:
    """The types of the result and the parameters, in the model's notation."""
    session = ["session ref"] if message.session else []
    return [str(message.result), *session, *(str(param.type) for param in message.params)]
