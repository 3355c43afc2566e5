"""Who did what, with which result: a log that an administrator can ask for."""
