"""URLs of the pool master."""

import pytest

from xenhost.pool.wire.door import door


@pytest.mark.parametrize(
    ("address", "https", "http", "expected"),
    [
        ("192.0.2.1", [443], [80], "https://192.0.2.1"),
        ("192.0.2.1", [8443, 443], [], "https://192.0.2.1"),
        ("192.0.2.1", [8443], [80], "https://192.0.2.1:8443"),
        ("192.0.2.1", [], [80], "http://192.0.2.1"),
        ("192.0.2.1", [], [8080], "http://192.0.2.1:8080"),
        ("192.0.2.1", [], [], "https://192.0.2.1"),
        ("2001:db8::1", [8443], [], "https://[2001:db8::1]:8443"),
    ],
)
def test_https_is_preferred_and_the_usual_port_is_not_named(
    address: str, https: list[int], http: list[int], expected: str
) -> None:
    assert door(address, https, http) == expected
