"""Choices: our StrEnums and the enums of the wire, paired by name."""

from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeVar

from xenhost.core.errors import InvalidValue

E = TypeVar("E", bound=StrEnum)


class Choice(Generic[E]):
    """One StrEnum and its wire enum, whose values are named PREFIX_MEMBER. Fails at import if one lacks a member."""

    def __init__(self, enum: type[E], value_of: Callable[[str], int], prefix: str) -> None:
        self._prefix = prefix
        self._members: dict[int, E] = {value_of(f"{prefix}_{member.name}"): member for member in enum}

    def to_wire(self, member: E) -> str:
        """The name of the wire value; message constructors take it."""
        return f"{self._prefix}_{member.name}"

    def from_wire(self, untrusted_value: int, field: str, default: E | None = None) -> E:
        """The member. 0 (unspecified) is the default, or an error if there is none. Raises InvalidValue."""
        member = self._members.get(untrusted_value, default if untrusted_value == 0 else None)
        if member is None:
            known = ", ".join(self.to_wire(each) for each in self._members.values())
            what = "not given" if untrusted_value == 0 else f"{untrusted_value}, which is unknown here"
            raise InvalidValue(f"{field} is {what}; use one of {known}", field=field, value=str(untrusted_value))
        return member
