"""What a role may. Permissions are named as xapi names them: `vm.start`, `vm.add_to_other_config/key:folder`."""

from collections.abc import Sequence
from typing import Final

from xenhost.pool.call import ApiError, Context, Method, Role, Value

_ADMINS: Final = frozenset({Role.POOL_ADMIN})
_OF_NO_SESSION: Final = frozenset({"session.get_all_subject_identifiers"})


def permission(method: Method, params: Sequence[Value]) -> tuple[str, frozenset[Role]]:
    """The permission that a call needs, and who has it. `params` without the session."""
    name = method.name.lower()
    if not method.key_roles or len(params) < 2 or not isinstance(params[1], str):
        return name, method.roles
    for key, roles in method.key_roles.items():
        if key == params[1] or (key.endswith("*") and params[1].startswith(key[:-1])):
            return f"{name}/key:{key.lower()}", roles
    return name, method.roles


def check(context: Context, method: Method, params: Sequence[Value]) -> None:
    """Whether the caller may call it so. Raises RBAC_PERMISSION_DENIED."""
    if context.superuser:
        return
    name, roles = permission(method, params)
    if _is_of_another_session(context, method, params):
        roles &= _ADMINS
    if context.roles.isdisjoint(roles):
        raise denied(name, roles)


def _is_of_another_session(context: Context, method: Method, params: Sequence[Value]) -> bool:
    """Does it ask about a session that is not the caller's own? Its reference is as good as a password."""
    if not method.name.startswith("session.get_") or method.name in _OF_NO_SESSION:
        return False
    return not params or params[0] != context.session


def denied(name: str, roles: frozenset[Role]) -> ApiError:
    """The error, which names who may."""
    having = ", ".join(role for role in Role if role in roles)
    text = f"No permission in user session. (Roles with this permission: {having})"
    return ApiError("RBAC_PERMISSION_DENIED", name, text)
