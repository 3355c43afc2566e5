"""`vif set`: from options to a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from xenhost.agent.cli.vm_args import allow
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vif_service_pb2 import UpdateVifRequest

_SAME = ("network", "mtu", "promiscuous")
_RATES = {"rate": "rate_kbps", "receive_rate": "receive_kbps"}


def change_message(vm: str, index: int, request_id: str, options: Mapping[str, Any]) -> UpdateVifRequest:
    """What was said, and which fields it is about. Raises UsageError."""
    vif, paths = vm_pb2.Vif(), []
    given = {name: value for name, value in options.items() if value is not None}
    for name in (*_SAME, *_RATES):
        if name in given:
            field = _RATES.get(name, name)
            setattr(vif, field, given[name])
            paths.append(field)
    if "locking" in given:
        vif.MergeFrom(vm_pb2.Vif(locking=f"VIF_LOCKING_{given['locking'].replace('-', '_').upper()}"))
        paths.append("locking")
    if given["allow"] and given["allow_none"]:
        raise click.UsageError("--allow or --allow-none, not both")
    if given["allow"] or given["allow_none"]:
        allow(vif, given["allow"])
        paths += ["ipv4_allowed", "ipv6_allowed"]
    if "link" in given:
        vif.link_down = not given["link"]
        paths.append("link_down")
    if "trunks" in given:
        vif.trunks.extend(_tags(given["trunks"]))
        paths.append("trunks")
    for family in ("ipv4", "ipv6"):
        if family in given:
            address, _, gateway = given[family].partition(",")
            getattr(vif, family).CopyFrom(vm_pb2.GuestIp(address=address, gateway=gateway))
            paths.append(family)
    request = UpdateVifRequest(vm_id=vm, index=index, vif=vif, request_id=request_id)
    request.update_mask.paths.extend(paths)
    return request


def _tags(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) <= 4094 for word in words):
        raise click.UsageError(f"{text!r:.60} are not VLAN tags; write --trunks 5,6,7")
    return [int(word) for word in words]
