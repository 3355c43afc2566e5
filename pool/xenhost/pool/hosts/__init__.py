"""The hosts of the pool: their agents register, report what they have, and are lost if they fall silent."""
