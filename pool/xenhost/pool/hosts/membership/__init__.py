"""A host's xenpoold in another host's pool: how it joins, what it is there, and how it becomes a master again."""
