"""The contracts that drivers fulfil. Each docstring is the contract; tests/contract executes it on every driver."""
