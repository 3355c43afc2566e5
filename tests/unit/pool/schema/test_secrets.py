import pytest

from xenhost.pool.schema.secrets import is_secret


@pytest.mark.parametrize("name", ["pass", "db_pass", "smtp-PASS", "apikey", "my_apiKey", "sshkey", "host.sshkey"])
def test_short_words_for_secrets_count_at_the_end_of_a_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["passthrough", "bypass", "pass_count", "compass", "pci_passthrough", "apikeys_url"])
def test_words_that_hold_them_are_no_secrets(name: str) -> None:
    assert not is_secret(name)
