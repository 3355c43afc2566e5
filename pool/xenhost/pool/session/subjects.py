"""Users and groups of a directory whom the pool lets in, and what it lets them do: classes subject and auth.

The directory is that of the system, through PAM and NSS (SSSD or winbind bring an Active Directory there): auth_type
`PAM`. Identifiers are `u<uid>` and `g<gid>`.
"""

import asyncio
import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Registry, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.session.authenticator import Authenticator, PasswordWrong
from xenhost.pool.session.directory import Subject
from xenhost.pool.session.roles import Roles, role_of

PAM: Final = "PAM"


class Subjects:
    """The Directory, and what is kept of it in the database."""

    def __init__(self, database: Database, authenticator: Authenticator, roles: Roles) -> None:
        """`authenticator` knows the passwords of all users of the system."""
        self._database = database
        self._authenticator = authenticator
        self._roles = roles

    def register(self, registry: Registry) -> None:
        """Answer the messages of subject and auth, and those that switch external authentication."""
        answers: Mapping[str, Implementation] = {
            "subject.create": self.create,
            "subject.destroy": self.destroy,
            "subject.add_to_roles": self.add_to_roles,
            "subject.remove_from_roles": self.remove_from_roles,
            "subject.get_permissions_name_label": self.get_permissions_name_label,
            "auth.get_subject_identifier": self.get_subject_identifier,
            "auth.get_subject_information_from_identifier": self.get_subject_information,
            "auth.get_group_membership": self.get_group_membership,
            "pool.enable_external_auth": self.enable,
            "pool.disable_external_auth": self.disable,
        }
        for method, answer in answers.items():
            registry.register(method, answer)

    # The directory

    async def authenticate(self, user: str, password: str) -> Subject | None:
        """See Directory."""
        if not self._enabled():
            return None
        identifier = await self.identifier(user)
        if identifier == "u0":  # root logs in as the local superuser, or not at all
            raise PasswordWrong
        await self._authenticator.authenticate(user, password)  # also one that is nobody: it takes as long
        if identifier is None:
            raise PasswordWrong
        known = {identifier, *await self.groups(identifier)}
        found = [row for row in self._database.rows("subject").values() if row["subject_identifier"] in known]
        if not found:
            raise PasswordWrong
        found.sort(key=lambda row: row["subject_identifier"] != identifier)
        return Subject(found[0].ref, identifier, frozenset(role for row in found for role in _roles_of(row)))

    async def identifier(self, name: str) -> str | None:
        """See Directory."""
        return await asyncio.to_thread(_identifier, name)

    async def information(self, identifier: str) -> Mapping[str, str] | None:
        """See Directory."""
        return await asyncio.to_thread(_information, identifier)

    async def groups(self, identifier: str) -> Sequence[str]:
        """See Directory."""
        return await asyncio.to_thread(_groups, identifier)

    # Messages

    async def create(self, context: Context, args: Mapping[str, Value]) -> Value:
        """Let one in. Raises SUBJECT_ALREADY_EXISTS."""
        identifier = str(args.get("subject_identifier", ""))
        rows = self._database.rows("subject").values()
        if any(row["subject_identifier"] == identifier for row in rows):
            raise ApiError("SUBJECT_ALREADY_EXISTS")
        fields = {"subject_identifier": identifier, "other_config": args.get("other_config", {}), "roles": ()}
        return await self._database.change(lambda change: change.create("subject", fields))

    async def destroy(self, context: Context, subject: Ref) -> Value:
        """Let one in no more; sessions go on until they are logged out, as in xapi."""
        await self._database.change(lambda change: change.delete("subject", subject))
        return None

    async def add_to_roles(self, context: Context, subject: Ref, role: Ref) -> Value:
        """Raises ROLE_NOT_FOUND, ROLE_ALREADY_EXISTS."""
        if role_of(role) is None:
            raise ApiError("ROLE_NOT_FOUND")
        if role_of(role) in _roles_of(self._database.get("subject", subject)):
            raise ApiError("ROLE_ALREADY_EXISTS")
        await self._database.change(lambda change: change.add_to_set("subject", subject, "roles", role))
        return None

    async def remove_from_roles(self, context: Context, subject: Ref, role: Ref) -> Value:
        """Raises ROLE_NOT_FOUND."""
        if role_of(role) not in _roles_of(self._database.get("subject", subject)):
            raise ApiError("ROLE_NOT_FOUND")
        await self._database.change(lambda change: change.remove_from_set("subject", subject, "roles", role))
        return None

    async def get_permissions_name_label(self, context: Context, subject: Ref) -> Value:
        """What one may do."""
        return self._roles.names(_roles_of(self._database.get("subject", subject)))

    async def get_subject_identifier(self, context: Context, subject_name: str) -> Value:
        """Raises AUTH_IS_DISABLED, SUBJECT_CANNOT_BE_RESOLVED."""
        return _known(await self.identifier(self._asked(subject_name)))

    async def get_subject_information(self, context: Context, subject_identifier: str) -> Value:
        """Raises AUTH_IS_DISABLED, SUBJECT_CANNOT_BE_RESOLVED."""
        return _known(await self.information(self._asked(subject_identifier)))

    async def get_group_membership(self, context: Context, subject_identifier: str) -> Value:
        """Raises AUTH_IS_DISABLED, SUBJECT_CANNOT_BE_RESOLVED."""
        _known(await self.information(self._asked(subject_identifier)))
        return tuple(await self.groups(subject_identifier))

    async def enable(
        self, context: Context, pool: Ref, config: Mapping[str, Value], service_name: str, auth_type: str
    ) -> Value:
        """External authentication for all hosts. Raises AUTH_UNKNOWN_TYPE, POOL_AUTH_ALREADY_ENABLED."""
        if auth_type != PAM:
            raise ApiError("AUTH_UNKNOWN_TYPE", auth_type)
        hosts = self._database.rows("host")
        enabled = next((ref for ref, row in hosts.items() if row["external_auth_type"]), None)
        if enabled is not None:
            raise ApiError("POOL_AUTH_ALREADY_ENABLED", enabled)
        await self._set(auth_type, service_name)
        return None

    async def disable(self, context: Context, pool: Ref, config: Mapping[str, Value]) -> Value:
        """No external authentication; subjects stay, and none can log in."""
        await self._set("", "")
        return None

    async def _set(self, auth_type: str, service: str) -> None:
        fields = {"external_auth_type": auth_type, "external_auth_service_name": service}

        def act(change: Transaction) -> None:
            for ref in list(change.rows("host")):
                change.set("host", ref, fields)

        await self._database.change(act)

    def _enabled(self) -> bool:
        return any(row["external_auth_type"] == PAM for row in self._database.rows("host").values())

    def _asked(self, name: str) -> str:
        if not self._enabled():
            raise ApiError("AUTH_IS_DISABLED")
        return name


T = TypeVar("T")


def _known(found: T | None) -> T:
    if found is None:
        raise ApiError("SUBJECT_CANNOT_BE_RESOLVED")
    return found


def _roles_of(subject: Record) -> frozenset[Role]:
    return frozenset(role for each in subject.refs("roles") if (role := role_of(each)) is not None)


def _identifier(name: str) -> str | None:
    try:
        return f"u{pwd.getpwnam(name).pw_uid}"
    except KeyError:
        pass
    try:
        return f"g{grp.getgrnam(name).gr_gid}"
    except (KeyError, ValueError):
        return None


def _information(identifier: str) -> Mapping[str, str] | None:
    kind, number = identifier[:1], identifier[1:]
    if not (number.isascii() and number.isdecimal() and len(number) <= 10):
        return None
    try:
        if kind == "u":
            user = pwd.getpwuid(int(number))
            return {
                "subject-name": user.pw_name,
                "subject-displayname": user.pw_gecos.partition(",")[0] or user.pw_name,
                "subject-uid": number,
                "subject-gid": str(user.pw_gid),
                "subject-is-group": "false",
            }
        if kind == "g":
            name = grp.getgrgid(int(number)).gr_name
            return {"subject-name": name, "subject-gid": number, "subject-is-group": "true"}
    except (KeyError, OverflowError):
        pass
    return None


def _groups(identifier: str) -> Sequence[str]:
    found = _information(identifier)
    if found is None or found["subject-is-group"] == "true":
        return ()
    return [f"g{gid}" for gid in os.getgrouplist(found["subject-name"], int(found["subject-gid"]))]
