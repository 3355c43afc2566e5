"""Who answers which message. What nobody has registered, and no accessor covers, says so: NOT_IMPLEMENTED."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from xenhost.pool.call import Implementation
from xenhost.pool.schema.declarations import Kind, Message
from xenhost.pool.schema.messages import READS
from xenhost.pool.schema.model import Model


class Answer(StrEnum):
    """How a message is answered."""

    IMPLEMENTED = "implemented"
    """By a part of the daemon that has registered for it."""
    GENERATED = "generated"
    """By the accessors, from the model."""
    STUB = "stub"
    """By the error that is its only answer in the original, too."""
    MISSING = "missing"
    """By NOT_IMPLEMENTED."""


_ACCESSORS: Final = READS | {
    Kind.SET,
    Kind.ADD_TO_MAP,
    Kind.REMOVE_FROM_MAP,
    Kind.ADD_TO_SET,
    Kind.REMOVE_FROM_SET,
    Kind.CREATE,
    Kind.DESTROY,
}


class Implementations:
    """The registry; filled while the daemon is put together."""

    def __init__(self, model: Model) -> None:
        self._model: Final = model
        self._found: Final[dict[str, Implementation]] = {}

    def register(self, method: str, answer: Implementation) -> None:
        """See Registry. Raises KeyError."""
        if method not in self._model.messages:
            raise KeyError(f"the model has no {method}")
        if method in self._found:
            raise KeyError(f"{method} has an answer already")
        self._found[method] = answer

    def register_all(self, answers: Mapping[str, Implementation]) -> None:
        """All of them. Raises KeyError."""
        for method, answer in answers.items():
            self.register(method, answer)

    def find(self, method: str) -> Implementation | None:
        """Who has registered for it."""
        return self._found.get(method)

    def answer(self, message: Message) -> Answer:
        """How it is answered."""
        if message.method in self._found:
            return Answer.IMPLEMENTED
        if message.stub:
            return Answer.STUB
        stored = self._model.classes[message.cls].stored
        return Answer.GENERATED if stored and message.kind in _ACCESSORS else Answer.MISSING
