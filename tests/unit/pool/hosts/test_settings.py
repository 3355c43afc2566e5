"""Settings and services of pool and hosts that need no agent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from kit.clock import START, FakeClock
from kit.pool_heart import Heart, heart, items
from xenhost.pool.call import NULL_REF, ApiError, Ref, Value
from xenhost.pool.hosts.administration import administration
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.hosts import Hosts


def nobody(endpoint: str) -> grpc.aio.Channel:
    raise AssertionError(f"{endpoint} is called, though no host has registered")


@asynccontextmanager
async def pool(folder: Path) -> AsyncIterator[tuple[Heart, Ref]]:
    clock = FakeClock(auto=False)
    async with heart(folder, clock) as found:
        for part in administration(found.database, Agents(Hosts(found.database, clock, 10.0), nobody), clock):
            found.implementations.register_all(part.answers())
        yield found, await found.make("pool")


async def refused(found: Heart, method: str, *params: Value) -> list[str]:
    with pytest.raises(ApiError) as caught:
        await found.call(method, *params)
    return caught.value.as_xenapi()


async def test_settings_of_the_pool_have_bounds(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        for name, good, bad, error in (
            ("ext_auth_cache_size", 7, -1, ["INVALID_VALUE", "size", "-1"]),
            ("ext_auth_cache_expiry", 60, 0, ["INVALID_VALUE", "expiry", "0"]),
            ("ext_auth_cache_enabled", True, None, None),
            ("local_auth_max_threads", 3, 0, ["VALUE_NOT_SUPPORTED"]),
            ("ext_auth_max_threads", 3, 101, ["VALUE_NOT_SUPPORTED"]),
        ):
            await found.call(f"pool.set_{name}", ref, good)
            assert await found.call(f"pool.get_{name}", ref) == good
            if error is not None:
                assert (await refused(found, f"pool.set_{name}", ref, bad))[: len(error)] == error
                assert await found.call(f"pool.get_{name}", ref) == good


async def test_telemetry_is_collected_before_twice_its_interval(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        soon = datetime.fromtimestamp(START, UTC) + timedelta(days=13)
        await found.call("pool.set_telemetry_next_collection", ref, soon)
        assert await found.call("pool.get_telemetry_next_collection", ref) == soon
        late = await refused(found, "pool.set_telemetry_next_collection", ref, soon + timedelta(days=2))
        assert late[0] == "TELEMETRY_NEXT_COLLECTION_TOO_LATE"
        await found.call("pool.reset_telemetry_uuid", ref)
        first = await found.call("pool.get_telemetry_uuid", ref)
        await found.call("pool.reset_telemetry_uuid", ref)
        second = await found.call("pool.get_telemetry_uuid", ref)
        assert await found.call("secret.get_all") == (second,) != (first,)


async def test_the_proxy_of_repositories_keeps_its_password_as_a_secret(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        for url, user, password, code in (
            ("ftp://proxy", "", "", "INVALID_REPOSITORY_PROXY_URL"),
            ("http://[", "", "", "INVALID_REPOSITORY_PROXY_URL"),
            ("http://proxy", "me", "", "INVALID_REPOSITORY_PROXY_CREDENTIAL"),
            ("http://proxy", "", "secret", "INVALID_REPOSITORY_PROXY_CREDENTIAL"),
            ("http://proxy", "me", "sec\nret", "INVALID_REPOSITORY_PROXY_CREDENTIAL"),
        ):
            assert (await refused(found, "pool.configure_repository_proxy", ref, url, user, password))[0] == code
        await found.call("pool.configure_repository_proxy", ref, "http://proxy:3128", "me", "pass")
        record: Any = await found.call("pool.get_record", ref)
        assert (record["repository_proxy_url"], record["repository_proxy_username"]) == ("http://proxy:3128", "me")
        assert await found.call("secret.get_value", record["repository_proxy_password"]) == "pass"
        await found.call("pool.disable_repository_proxy", ref)
        record = await found.call("pool.get_record", ref)
        assert (record["repository_proxy_url"], record["repository_proxy_password"]) == ("", NULL_REF)
        assert await found.call("secret.get_all") == ()


async def test_what_has_no_meaning_here_is_answered_as_xapi_does_in_that_state(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        host, sr = await found.make("host", edition="free"), await found.make("SR")
        for error, method, *params in (
            (["HA_NOT_INSTALLED", host], "pool.enable_ha", [], {}),
            (["HA_NOT_ENABLED"], "pool.disable_ha"),
            (["NO_REPOSITORY_ENABLED"], "pool.sync_updates", ref, False, "", "", "", ""),
            (["NO_REPOSITORY_ENABLED"], "host.apply_updates", host, "hash"),
            (["NO_REPOSITORIES_CONFIGURED"], "pool.set_update_sync_enabled", ref, True),
            (["HOST_OFFLINE", host], "host.rescan_drivers", host),
            (["HOST_OFFLINE", host], "pool.enable_tls_verification"),
            (["TLS_VERIFICATION_NOT_ENABLED_IN_POOL"], "host.emergency_reenable_tls_verification"),
            (["OPERATION_NOT_ALLOWED"], "host.emergency_disable_tls_verification"),
            (["OPERATION_NOT_ALLOWED"], "pool.enable_client_certificate_auth", ref, "name"),
            (["AUTH_IS_DISABLED"], "pool.external_auth_set_ldaps", ref, True),
            (["HA_NOT_ENABLED"], "pool.ha_prevent_restarts_for", 60),
            (["HA_NOT_ENABLED"], "host.emergency_ha_disable", False),
            (["LICENCE_RESTRICTION", "WLB"], "pool.retrieve_wlb_recommendations"),
            (["LICENCE_RESTRICTION", "WLB"], "host.retrieve_wlb_evacuate_recommendations", host),
            (["WLB_NOT_INITIALIZED"], "pool.deconfigure_wlb"),
            (["INVALID_EDITION", "enterprise"], "host.apply_edition", host, "enterprise"),
            (["INVALID_EDITION", "enterprise"], "pool.apply_edition", ref, "enterprise"),
            (["LICENSE_PROCESSING_ERROR"], "host.license_add", host, "bGljZW5jZQ=="),
            (["CANNOT_ENABLE_REDO_LOG"], "pool.enable_redo_log", sr),
            (["VALUE_NOT_SUPPORTED"], "pool.enable_ssl_legacy", ref),
            (["VALUE_NOT_SUPPORTED"], "host.set_ssl_legacy", host, True),
            (["OPERATION_NOT_ALLOWED"], "pool.set_uefi_certificates", ref, ""),
            (["OPERATION_NOT_ALLOWED"], "host.set_uefi_certificates", host, ""),
            (["MESSAGE_REMOVED"], "host.set_cpu_features", host, ""),
            (["CANNOT_CONTACT_HOST", host], "pool.rotate_secret"),
            (["HOST_OFFLINE", host], "host.refresh_pack_info", host),
        ):
            answer = await refused(found, str(method), *params)
            assert answer[: len(error)] == error, method
        await found.call("host.emergency_ha_disable", True)
        await found.call("pool.disable_redo_log")
        await found.call("pool.sync_database")
        await found.call("pool.apply_edition", ref, "free")
        await found.call("host.license_remove", host)
        await found.call("host.set_ssl_legacy", host, False)
        await found.call("pool.disable_ssl_legacy", ref)
        assert await found.call("pool.get_license_state", ref) == {"edition": "free", "expiry": "never"}
        assert await found.call("pool.check_update_readiness", ref, False) == (("HOST_OFFLINE", host),)
        assert "VM.start" in items(await found.call("host.list_methods"))


async def test_hosts_that_ask_different_directories_are_found(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        await found.make("host", external_auth_type="PAM", external_auth_service_name="a")
        await found.call("pool.detect_nonhomogeneous_external_auth", ref)
        await found.make("host")
        error = await refused(found, "pool.detect_nonhomogeneous_external_auth", ref)
        assert error == ["POOL_JOINING_EXTERNAL_AUTH_MISMATCH"]


async def test_a_screen_is_given_up_and_taken_back_with_the_next_boot(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, _):
        host = await found.make("host", display="enabled")
        assert await found.call("host.disable_display", host) == "disable_on_reboot"
        assert await found.call("host.enable_display", host) == "enabled"
        await found.database.change(lambda t: t.set("host", host, {"display": "disabled"}))
        assert await found.call("host.enable_display", host) == "enable_on_reboot"
        assert await found.call("host.get_display", host) == "enable_on_reboot"


async def test_multipathing_is_in_other_config_too(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, _):
        host = await found.make("host", other_config={"k": "v"})
        await found.call("host.set_multipathing", host, True)
        assert await found.call("host.get_multipathing", host) is True
        assert await found.call("host.get_other_config", host) == {"k": "v", "multipathing": "true"}


async def test_a_host_caches_disks_in_an_sr_of_its_own_while_it_is_disabled(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        host = await found.make("host", enabled=True)
        sr = await found.make("SR", type="ext", shared=False)
        await found.make("PBD", SR=sr, host=host)
        assert await refused(found, "host.enable_local_storage_caching", host, sr) == ["HOST_NOT_DISABLED"]
        await found.database.change(lambda t: t.set("host", host, {"enabled": False}))
        error = await refused(found, "host.enable_local_storage_caching", host, sr)
        assert error == ["SR_OPERATION_NOT_SUPPORTED", sr]
        error = await refused(found, "pool.enable_local_storage_caching", ref)
        assert error == ["HOSTS_FAILED_TO_ENABLE_CACHING", host]
        await found.make("SM", type="ext", features={"SR_SUPPORTS_LOCAL_CACHING": 1})
        await found.call("pool.enable_local_storage_caching", ref)
        assert await found.call("host.get_local_cache_sr", host) == sr
        assert await found.call("SR.get_local_cache_enabled", sr) is True
        vm = await found.make("VM", resident_on=host)
        assert await refused(found, "host.disable_local_storage_caching", host) == ["HOST_IN_USE", host, "vm", vm]
        await found.database.change(lambda t: t.delete("VM", vm))
        await found.call("pool.disable_local_storage_caching", ref)
        assert await found.call("host.get_local_cache_sr", host) == NULL_REF
        assert await found.call("SR.get_local_cache_enabled", sr) is False


async def test_hosts_may_come_while_all_begin_to_cache(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        await found.make("SM", type="ext", features={"SR_SUPPORTS_LOCAL_CACHING": 1})
        hosts = [await found.make("host", enabled=False) for _ in range(2)]
        for host in hosts:
            await found.make("PBD", SR=await found.make("SR", type="ext", shared=False), host=host)
        enabling = asyncio.ensure_future(found.call("pool.enable_local_storage_caching", ref))
        for _ in range(20):
            await found.make("host", enabled=False)
        with contextlib.suppress(ApiError):  # the new ones may be asked, and have no SR
            await enabling
        assert NULL_REF not in [await found.call("host.get_local_cache_sr", host) for host in hosts]


async def test_a_single_host_asks_a_directory(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        host = await found.make("host")
        enable = "host.enable_external_auth"
        assert await refused(found, enable, host, {}, "example", "AD") == ["AUTH_UNKNOWN_TYPE", "AD"]
        await found.call(enable, host, {}, "example", "PAM")
        error = await refused(found, enable, host, {}, "other", "PAM")
        assert error == ["AUTH_ALREADY_ENABLED", "PAM", "example"]
        assert (await refused(found, "host.external_auth_set_ldaps", host, True))[:2] == ["AUTH_SET_LDAPS_FAILED", host]
        await found.call("host.disable_external_auth", host)
        assert await found.call("host.get_external_auth_type", host) == ""
        await found.call("pool.disable_client_certificate_auth", ref)


async def test_repositories_are_those_that_exist(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, ref):
        one, two = await found.make("Repository"), await found.make("Repository")
        await found.call("pool.set_repositories", ref, [one, one])
        await found.call("pool.add_repository", ref, two)
        assert await found.call("pool.get_repositories", ref) == (one, two)
        assert (await refused(found, "pool.add_repository", ref, "OpaqueRef:x"))[0] == "HANDLE_INVALID"
        assert await refused(found, "pool.sync_updates", ref, False) == ["CAN_NOT_SYNC_UPDATES"]
        assert await refused(found, "pool.set_update_sync_enabled", ref, True) == ["CAN_NOT_PERIODIC_SYNC_UPDATES"]
        await found.call("pool.remove_repository", ref, one)
        await found.call("pool.remove_repository", ref, two)
        await found.call("pool.set_update_sync_enabled", ref, False)
        assert await found.call("pool.get_repositories", ref) == ()
        assert await refused(found, "pool.configure_update_sync", ref, "weekly", 7) == ["INVALID_UPDATE_SYNC_DAY", "7"]
        await found.call("pool.configure_update_sync", ref, "weekly", 6)
        assert await found.call("pool.get_update_sync_day", ref) == 6
        await found.call("pool.configure_update_sync", ref, "daily", 6)
        assert await found.call("pool.get_update_sync_day", ref) == 0


async def test_a_pci_device_is_dom0s_unless_it_was_booted_otherwise(tmp_path: Path) -> None:
    async with pool(tmp_path) as (found, _):
        used = await found.make("PCI", driver_name="e1000e", pci_id="0000:00:19.0")
        left = await found.make("PCI", driver_name="pciback", pci_id="0000:01:00.0")
        assert await found.call("PCI.get_dom0_access_status", used) == "enabled"
        assert await found.call("PCI.enable_dom0_access", used) == "enabled"
        assert await found.call("PCI.disable_dom0_access", left) == "disabled"
        assert (await refused(found, "PCI.disable_dom0_access", used))[0] == "OPERATION_NOT_ALLOWED"
