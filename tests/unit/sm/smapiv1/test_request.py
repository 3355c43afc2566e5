import xmlrpc.client

import pytest

from xenhost.core.errors import InvalidValue
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.smapiv1.request import MAX_ARGUMENT, Request


def test_the_document_is_one_struct_of_texts_in_xapis_order() -> None:
    request = Request(
        "vdi_create",
        ("1024", "a name"),
        {"location": "/x", "SRmaster": "true"},
        session_ref="OpaqueRef:s",
        sr_ref="OpaqueRef:r",
        sr_uuid="u",
        vdi_type="user",
        vdi_sm_config={},
    )
    (params,), method = xmlrpc.client.loads(request.document("OpaqueRef:h"))
    assert method == "vdi_create"
    assert isinstance(params, dict)
    assert params == {
        "host_ref": "OpaqueRef:h",
        "command": "vdi_create",
        "args": ["1024", "a name"],
        "device_config": {"location": "/x", "SRmaster": "true"},
        "session_ref": "OpaqueRef:s",
        "sr_ref": "OpaqueRef:r",
        "sr_uuid": "u",
        "vdi_type": "user",
        "vdi_sm_config": {},
    }
    assert list(params)[:4] == ["host_ref", "command", "args", "device_config"]


def test_what_is_not_known_is_left_out() -> None:
    (params,), _ = xmlrpc.client.loads(Request("sr_get_driver_info").document("h"))
    assert isinstance(params, dict)
    assert set(params) == {"host_ref", "command", "args", "device_config"}


def test_a_request_that_no_program_can_be_given_is_refused() -> None:
    with pytest.raises(InvalidValue, match="does not fit"):
        Request("vdi_create", ("x" * MAX_ARGUMENT,)).document("h")
    with pytest.raises(SrBackendFailure) as caught:
        Request("vdi_create", ("\x07",)).document("h")
    assert caught.value.number == 447
