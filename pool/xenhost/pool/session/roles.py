"""The six roles as objects, and the messages of class role.

Their UUIDs are those of XenServer, which clients know. A permission is a message that a role may send, named in small
letters; it has a reference made of its name, but is no object of the pool.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import Context, Dispatcher, Ref, Registry, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.session.session import Session

_PERMISSIONS: Final = uuid.UUID("5c7e1c52-3d5e-4f4f-9d0c-2f6f0a1f1d7e")
"""The name space of references of permissions."""


@dataclass(frozen=True, slots=True)
class _Known:
    uuid: str
    doc: str


_KNOWN: Final[Mapping[Role, _Known]] = {
    Role.POOL_ADMIN: _Known("0165f154-ba3e-034e-6b27-5d271af109ba", "May do everything."),
    Role.POOL_OPERATOR: _Known("b9ce9791-0604-50cd-0649-09b3284c7dfd", "May do everything but manage roles."),
    Role.VM_POWER_ADMIN: _Known("7955168d-7bec-10ed-105f-c6a7e6e63249", "May manage VMs, and import and move them."),
    Role.VM_ADMIN: _Known("aaa00ab5-7340-bfbc-0d1b-7cf342639a6e", "May make, change and remove VMs."),
    Role.VM_OPERATOR: _Known("fb8d4ff9-310c-a959-0613-54101535d3d5", "May use VMs: start, stop, console."),
    Role.READ_ONLY: _Known("7233b8e3-eacb-d7da-2c95-f2e581cdbf4e", "May look."),
}


def ref_of(role: Role) -> Ref:
    """The reference of a role; the same in every pool."""
    return Ref(f"OpaqueRef:{_KNOWN[role].uuid}")


def role_of(ref: Value) -> Role | None:
    """The role of that reference."""
    return next((role for role in Role if ref_of(role) == ref), None)


def permission_ref(name: str) -> Ref:
    """The reference of a permission."""
    return Ref(f"OpaqueRef:{uuid.uuid5(_PERMISSIONS, name)}")


class Roles:
    """Who may send what, from the dispatcher. Register it; `ensure` the objects when the database is open."""

    def __init__(self, database: Database, dispatcher: Dispatcher) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._cached: Mapping[str, frozenset[Role]] | None = None

    async def ensure(self) -> None:
        """Make the objects that are missing. Raises StoreFailed."""
        missing = [role for role in Role if self._database.find("role", ref_of(role)) is None]
        if missing:
            await self._database.change(lambda change: _make(change, missing))

    def register(self, registry: Registry) -> None:
        """Answer the messages of class role."""
        registry.register("role.get_permissions", self.get_permissions)
        registry.register("role.get_permissions_name_label", self.get_permissions_name_label)
        registry.register("role.get_by_permission", self.get_by_permission)
        registry.register("role.get_by_permission_name_label", self.get_by_permission_name_label)

    def of_session(self, session: Session) -> tuple[str, ...]:
        """The names of its permissions; none for a superuser, who needs none."""
        return () if session.superuser else self.names(session.roles)

    def names(self, roles: frozenset[Role]) -> tuple[str, ...]:
        """The permissions of any of these roles, in order."""
        return tuple(name for name, having in self._permissions().items() if not roles.isdisjoint(having))

    async def get_permissions(self, context: Context, self_ref: Ref) -> Value:
        """References of the permissions of a role."""
        return tuple(permission_ref(name) for name in self._names_of(self_ref))

    async def get_permissions_name_label(self, context: Context, self_ref: Ref) -> Value:
        """Names of the permissions of a role."""
        return self._names_of(self_ref)

    async def get_by_permission(self, context: Context, permission: Ref) -> Value:
        """The roles that have a permission."""
        found = next((name for name in self._permissions() if permission_ref(name) == permission), "")
        return await self.get_by_permission_name_label(context, found)

    async def get_by_permission_name_label(self, context: Context, label: str) -> Value:
        """The roles that have a permission."""
        having = self._permissions().get(label.lower(), frozenset())
        return tuple(ref_of(role) for role in Role if role in having)

    def _names_of(self, ref: Ref) -> tuple[str, ...]:
        role = role_of(ref)
        return self.names(frozenset({role})) if role is not None else ()

    def _permissions(self) -> Mapping[str, frozenset[Role]]:
        if self._cached is None:
            found: dict[str, frozenset[Role]] = {}
            for name in self._dispatcher.names():
                method = self._dispatcher.find(name)
                if method is not None:
                    found[name.lower()] = method.roles
                    found |= {f"{name.lower()}/key:{key.lower()}": roles for key, roles in method.key_roles.items()}
            self._cached = dict(sorted(found.items()))
        return self._cached


def _make(change: Transaction, roles: list[Role]) -> None:
    for role in roles:
        known = _KNOWN[role]
        fields = {"uuid": known.uuid, "name_label": role.value, "name_description": known.doc, "subroles": ()}
        change.create("role", fields, ref_of(role))
