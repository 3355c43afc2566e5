"""What has to be so before a host joins a pool, in the order of xapi (xapi_pool.ml, pre_join_checks). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xenhost.pool.call import ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record

_COMPATIBLE: Final = ("platform_version", "product_brand")
_HOMOGENEOUS: Final = ("xenhost", "xen", "hypervisor")
"""Of software_version: what has to be the same in both hosts."""
_API_VERSION: Final = ("API_version_major", "API_version_minor")
_AUTHENTICATION: Final = ("external_auth_type", "external_auth_service_name")


OF_POOL: Final = ("ha_enabled", "tls_verification_enabled")
OF_HOST: Final = ("uuid", "software_version", *_API_VERSION, *_AUTHENTICATION)


@dataclass(frozen=True, slots=True)
class Other:
    """Fields of the pool that is to be joined, as its master tells them: those above, and whatever it likes in them."""

    pool: Mapping[str, Any]
    master: Mapping[str, Any]
    """Of the host that it runs on."""


def check_joining(database: Database, host: Ref, other: Other, force: bool) -> None:
    """Whether the only host of this pool may be a member of the other. Raises ApiError.

    Forced, versions of software may differ. What would not be carried over is never given up. A host may have no
    management interface here: then its agent speaks with the master through what the administrator has set up.
    """
    me = database.get("host", host)
    (pool,) = database.rows("pool").values()
    pifs = [database.get("PIF", pif) for pif in me.refs("PIFs")]
    if pool["ha_enabled"] or other.pool["ha_enabled"]:
        raise ApiError("HA_IS_ENABLED")
    if other.master["uuid"] == me["uuid"]:
        raise ApiError("OPERATION_NOT_ALLOWED", "Host cannot become slave of itself")
    if len(database.rows("host")) > 1:
        raise ApiError("JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS")
    _check_vms([vm for vm in database.rows("VM").values() if not vm["is_control_domain"]])
    _check_versions(me, other.master, force)
    if any(sr["shared"] and not sr["is_tools_sr"] for sr in database.rows("SR").values()):
        raise ApiError("JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS")
    if any(pif["management"] and not pif["physical"] for pif in pifs):
        raise ApiError("POOL_JOINING_HOST_MUST_HAVE_PHYSICAL_MANAGEMENT_NIC")
    if any(me[name] != other.master[name] for name in _AUTHENTICATION):
        raise ApiError("POOL_JOINING_EXTERNAL_AUTH_MISMATCH")
    if pool["tls_verification_enabled"] != other.pool["tls_verification_enabled"]:
        raise ApiError("POOL_JOINING_HOST_TLS_VERIFICATION_MISMATCH")


def _check_vms(vms: Sequence[Record]) -> None:
    if any(vm["power_state"] == "Running" for vm in vms):
        raise ApiError("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS")
    if any(vm["current_operations"] for vm in vms):
        raise ApiError("JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS")
    mine = next((vm for vm in vms if not vm["is_default_template"]), None)
    if mine is not None:
        text = f"VM {mine['uuid']} ({mine['name_label']}) would not go along: export it and destroy it here, then join"
        raise ApiError("OPERATION_NOT_ALLOWED", text[:500])


def _check_versions(me: Record, master: Mapping[str, Any], force: bool) -> None:
    mine, theirs = (".".join(str(each[name]) for name in _API_VERSION) for each in (me, master))
    if mine != theirs:
        raise ApiError("POOL_JOINING_HOST_MUST_HAVE_SAME_API_VERSION", mine, theirs[:20])
    if _software(me["software_version"], _COMPATIBLE) != _software(master["software_version"], _COMPATIBLE):
        raise ApiError("HOSTS_NOT_COMPATIBLE")
    same = _software(me["software_version"], _HOMOGENEOUS) == _software(master["software_version"], _HOMOGENEOUS)
    if not same and not force:
        raise ApiError("HOSTS_NOT_HOMOGENEOUS", "software version differs")


def _software(version: Any, names: Sequence[str]) -> Sequence[Any]:
    return [version.get(name) if isinstance(version, Mapping) else None for name in names]
