from pathlib import Path

from xenhost.core.storage import SrId, VdiId
from xenhost.sm.scsi.records import LunRecord, LunRecords


async def test_what_was_put_is_there_again_and_half_of_a_later_file_is_not_in_the_way(tmp_path: Path) -> None:
    sr = SrId("11111111-1111-1111-1111-111111111111")
    first, second = (LunRecord(VdiId(f"{number}"), f"lun{number}") for number in range(2))
    records = LunRecords(tmp_path, sr)
    await records.put(first)
    (tmp_path / "lun" / f".{sr}.json.part").write_text("{")
    again = LunRecords(tmp_path, sr)
    await again.load()
    assert again.luns == {first.id: first}
    await again.put(second)
    (file,) = (tmp_path / "lun").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    await records.load()
    assert records.luns == again.luns == {first.id: first, second.id: second}
