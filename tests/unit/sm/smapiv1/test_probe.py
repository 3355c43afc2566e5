from xenhost.sm.smapiv1.probe import complete, stage

LUNS = """garbage from a library
<?xml version="1.0" ?>
<iscsi-target>
  <LUN><vendor>LIO</vendor><serial>1</serial><LUNid>0</LUNid><size>1024</size><SCSIid>3600a</SCSIid></LUN>
  <LUN><vendor>LIO</vendor><LUNid>1</LUNid><SCSIid>3600b</SCSIid></LUN>
  <LUN><vendor>no id</vendor></LUN>
</iscsi-target>"""
IQNS = """<?xml version="1.0"?><iscsi-target-iqns>
  <TGT><Index>0</Index><IPAddress>10.0.0.1</IPAddress><TargetIQN>iqn.2026-01.x:1</TargetIQN></TGT>
  <TGT><Index>1</Index><IPAddress>10.0.0.1</IPAddress><TargetIQN>*</TargetIQN></TGT></iscsi-target-iqns>"""
EXPORTS = """<?xml version="1.0"?><nfs-exports><Export><Target>s</Target><Path>/srv</Path>
<Accesslist>*</Accesslist></Export></nfs-exports>"""
SRS = """<?xml version="1.0"?><SRlist>
  <SR><UUID>4F5E1E8A-0000-4000-8000-000000000001</UUID><size>2048</size><name_label>mine</name_label></SR>
  <SR><UUID>not one</UUID><Devlist>/dev/sdb</Devlist></SR></SRlist>"""


def test_a_stage_offers_the_values_of_the_missing_key() -> None:
    report = stage({"target": "t"}, 107, LUNS)
    assert (report.code, report.missing) == (107, "SCSIid")
    assert report.document.startswith("<?xml")
    assert [entry.configuration for entry in report.entries] == [
        {"target": "t", "SCSIid": "3600a"},
        {"target": "t", "SCSIid": "3600b"},
    ]
    assert report.entries[0].extra["vendor"] == "LIO"
    assert not report.entries[0].complete


def test_targets_and_exports_are_offered_too() -> None:
    assert [entry.configuration["targetIQN"] for entry in stage({}, 96, IQNS).entries] == ["iqn.2026-01.x:1", "*"]
    assert [entry.configuration["serverpath"] for entry in stage({}, 101, EXPORTS).entries] == ["/srv"]


def test_a_stage_without_a_document_is_still_a_stage() -> None:
    for text in ("", "no document", "<?xml version='1.0'?><broken"):
        report = stage({}, 90, text)
        assert (report.missing, report.entries) == ("device", ())


def test_a_complete_probe_lists_the_srs() -> None:
    report = complete({"target": "t"}, SRS)
    assert report.code == 0
    first, second = report.entries
    assert (first.sr, first.size, first.name) == ("4f5e1e8a-0000-4000-8000-000000000001", 2048, "mine")
    assert first.complete
    assert (second.sr, second.extra) == (None, {"Devlist": "/dev/sdb"})


def test_a_document_that_cannot_be_read_is_shown_as_it_is() -> None:
    report = complete({}, "Dummy")
    assert (report.entries, report.document) == ((), "Dummy")
