"""What a role may. Permissions are named as xapi names them: `vm.start`, `vm.add_to_other_config/key:folder`."""

from collections.abc import Sequence

from xenhost.pool.call import ApiError, Context, Method, Role, Value


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
    if context.roles.isdisjoint(roles):
        raise denied(name, roles)


def denied(name: str, roles: frozenset[Role]) -> ApiError:
    """The error, which names who may."""
    having = ", ".join(role for role in Role if role in roles)
    text = f"No permission in user session. (Roles with this permission: {having})"
    return ApiError("RBAC_PERMISSION_DENIED", name, text)
