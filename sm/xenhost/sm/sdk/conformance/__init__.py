"""A suite that an author runs on a storage plugin: each promise a host relies on, kept or not.

    python3 -m xenhost.sm.sdk.conformance FOLDER --device-config path=/srv/empty

FOLDER is a root with `volume` and `datapath` below it, or the folder of one volume plugin in such a root; or it is a
SMAPIv1 executable. An SR is made in the place that the device-config names, filled, and destroyed: it must be empty.
Exit status: 0 all promises are kept, 1 some are not, 2 the suite could not run.
"""
