"""The pure domain of xenhost: values, rules and contracts. Standard library only, no I/O, no clock.

ids       names of things            vm, devices, host   what should be, and what is
errors    every error, once          states, allowed     what may follow what
steps     plans as data              ports               contracts that drivers fulfil
events    references and revisions   memory              how much memory a domain needs
"""
