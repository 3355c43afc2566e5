"""What a daemon that cannot use its configuration ends with."""


class ConfigError(Exception):
    """The configuration cannot be used. The message names file and key, and says what would be right."""
