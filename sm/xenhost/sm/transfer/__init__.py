"""Moving whole disks: copies between backends, comparison, and streams of images in and out.

What callers use:

- `disk.open_disk(backend, writable=...)`: an async context manager; a `Disk` reads, writes and tells what is allocated.
  `disk.open_image(path, format)` is the same, read-only, for a VHD (also a differencing chain) that no server may open.
- `copy.Copier(commands)`: `copy(source, target, size, ...)` and `compare(one, other)` between two backends, by qemu-img
  in a process of its own; `compare` answers with the first offset that differs, or None.
- `importing.Importer(commands, spool)`: `load(chunks, format, target, ...)` writes a stream of `raw`, `vhd` or `qcow2`
  into the backend of an activated VDI.
- `exporting.plan_export(disk, format, ...)` makes an `Export`: its exact length is known before the first byte
  (`Export.length`), and `Export.chunks()` is the stream.

Errors: BadImage (SR_BACKEND_FAILURE_65) for what is wrong with a stream, VdiTooSmall if it does not fit, InvalidValue
for an unknown format or what a format cannot hold, SrBackendFailure 200 (EIO) for the rest. It can all be cancelled.
"""
