"""LVM's reports are read as LVM 2.03.16 prints them, and hostile or broken ones are refused."""

import json

import pytest

from xenhost.sm.lvm.report import BadReport, groups, volumes

LVS = b"""
  {
      "report": [
          {
              "lv": [
                  {"lv_name":"VDI-a", "lv_size":"1073741824", "lv_active":"active", "lv_device_open":"open", "lv_suspended":"", "lv_tags":"xenhost.0.abc+/==,b", "pool_lv":"pool", "thin_id":"1", "lv_kernel_major":"253", "lv_kernel_minor":"4", "lv_metadata_size":"", "chunk_size":"0"},
                  {"lv_name":"VDI-b", "lv_size":"1073741824", "lv_active":"", "lv_device_open":"unknown", "lv_suspended":"unknown", "lv_tags":"", "pool_lv":"pool", "thin_id":"2", "lv_kernel_major":"-1", "lv_kernel_minor":"-1", "lv_metadata_size":"", "chunk_size":"0"},
                  {"lv_name":"two", "lv_size":"8388608", "lv_active":"", "lv_device_open":"", "lv_suspended":"", "lv_tags":"", "pool_lv":"", "thin_id":"", "lv_kernel_major":"-1", "lv_kernel_minor":"-1", "lv_metadata_size":"", "chunk_size":"0"},
                  {"lv_name":"two", "lv_size":"8388608", "lv_active":"", "lv_device_open":"", "lv_suspended":"", "lv_tags":"", "pool_lv":"", "thin_id":"", "lv_kernel_major":"-1", "lv_kernel_minor":"-1", "lv_metadata_size":"", "chunk_size":"0"},
                  {"lv_name":"pool", "lv_size":"524288000", "lv_active":"active", "lv_device_open":"open", "lv_suspended":"suspended", "lv_tags":"", "pool_lv":"", "thin_id":"", "lv_kernel_major":"253", "lv_kernel_minor":"2", "lv_metadata_size":"16777216", "chunk_size":"65536"}
              ]
          }
      ]
  }
"""  # noqa: E501 # as LVM prints it
VGS = b"""{"report": [{"vg": [{"vg_name":"VGX", "vg_uuid":"KDovrX-OcOP-dt0S-tzwV-IhPE-DAem-hCpV7c",
"vg_size":"1035993088", "vg_free":"478150656", "vg_extent_size":"4194304", "vg_tags":"xenhost.1",
"vg_systemid":"xenhost-abc", "vg_missing_pv_count":"0"}]}]}"""


def test_volumes_are_read_once_each() -> None:
    a, b, two, pool = volumes(LVS)
    assert (a.name, a.size, a.active, a.open, a.suspended, a.thin_id) == ("VDI-a", 1 << 30, True, True, False, 1)
    assert (a.tags, a.pool, a.device) == (("xenhost.0.abc+/==", "b"), "pool", (253, 4))
    assert (b.active, b.open, b.device, b.tags) == (False, False, None, ())
    assert (two.pool, two.thin_id) == ("", None)
    assert (pool.suspended, pool.metadata_size, pool.chunk_size) == (True, 16 << 20, 65536)


def test_a_group_is_read() -> None:
    (group,) = groups(VGS)
    assert (group.name, group.size, group.free, group.extent) == ("VGX", 1035993088, 478150656, 4 << 20)
    assert (group.tags, group.system_id, group.missing) == (("xenhost.1",), "xenhost-abc", 0)


def test_no_group_is_an_answer() -> None:
    assert groups(b'{"report": [{"vg": []}]}') == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        LVS[:400],
        b"[]",
        b"{}",
        b'{"report": 1}',
        b'{"report": [1]}',
        b'{"report": [{"lv": {}}]}',
        b'{"report": [{"lv": [3]}]}',
        b'{"report": [{"lv": [{"lv_name": "a", "lv_size": 3}]}]}',
        b'{"report": [{"lv": [{"lv_name": "a"}]}]}',
        b'{"report": [{"lv": [{"lv_name": "a", "lv_size": "-3"}]}]}',
        '{"report": [{"lv": [{"lv_name": "a", "lv_size": "٣"}]}]}'.encode(),
        b"[" * 100_000,
        json.dumps({"report": [{"lv": [{}] * 100_001}]}).encode(),
    ],
)
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(BadReport):
        volumes(text)
