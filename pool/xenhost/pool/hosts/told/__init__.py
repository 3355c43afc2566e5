"""What an agent tells, as objects of the pool: one module for each kind."""
