from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import ApiError
from xenhost.pool.vms.schedule import DAYS, DEFAULTS, MINUTES, checked, completed, last_due

MONDAY = datetime(2026, 11, 23, 10, 20)


@pytest.mark.parametrize(
    ("frequency", "schedule", "due"),
    [
        ("hourly", {"min": "15"}, datetime(2026, 11, 23, 10, 15)),
        ("hourly", {"min": "30"}, datetime(2026, 11, 23, 9, 30)),
        ("hourly", {}, datetime(2026, 11, 23, 10, 0)),
        ("daily", {"hour": "10", "min": "15"}, datetime(2026, 11, 23, 10, 15)),
        ("daily", {"hour": "10", "min": "30"}, datetime(2026, 11, 22, 10, 30)),
        ("weekly", {"days": "Monday", "hour": "10"}, datetime(2026, 11, 23, 10, 0)),
        ("weekly", {"days": "Monday", "hour": "11"}, datetime(2026, 11, 16, 11, 0)),
        ("weekly", {"days": "Saturday,Wednesday"}, datetime(2026, 11, 21, 0, 0)),
    ],
)
def test_the_last_moment_of_a_schedule(frequency: str, schedule: dict[str, str], due: datetime) -> None:
    assert last_due(schedule, frequency, MONDAY) == due
    assert last_due(schedule, frequency, due) == due, "it is due at that very moment"


@given(st.sampled_from(sorted(DEFAULTS)), st.sampled_from(MINUTES), st.integers(0, 23), st.sets(st.sampled_from(DAYS)))
def test_a_schedule_is_due_within_its_period(frequency: str, minute: str, hour: int, days: set[str]) -> None:
    keys = {"min": minute, "hour": str(hour), **({"days": ",".join(sorted(days))} if days else {})}
    period = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}[frequency]
    due = last_due(keys, frequency, MONDAY)
    assert MONDAY - period < due <= MONDAY
    assert str(due.minute) == minute


def test_values_are_kept_in_their_usual_form() -> None:
    assert checked({"days": "friday,MONDAY", "hour": "7", "min": "45"}) == {
        **{"days": "Friday,Monday", "hour": "7", "min": "45"}
    }
    assert completed({"hour": "5", "min": "15"}, "hourly") == {"min": "15"}
    assert completed({"min": "15"}, "weekly") == {"hour": "0", "min": "15", "days": "Monday"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("min", value) for value in ("1", "60", "", "-15")),
        *(("hour", value) for value in ("24", "-1", "", "x", "007", "٣")),
        *(("days", value) for value in ("", "Mon", "Monday,", "Monday,Monday")),
        ("weeks", "1"),
    ],
)
def test_what_is_no_schedule_is_refused(key: str, value: str) -> None:
    with pytest.raises(ApiError) as caught:
        checked({key: value})
    assert caught.value.code == "INVALID_VALUE"
    assert caught.value.params[0] == f"schedule:{key}"
