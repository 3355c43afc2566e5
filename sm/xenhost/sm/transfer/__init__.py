"""Moving whole disks: copies between backends, comparison, and streams of images in and out.

What callers use:

- `opening.open_disk(backend, writable=...)`: an async context manager; the `Disk` reads, writes and tells what is
  allocated. `opening.open_image(path)` is the same, read-only, for a VHD (also a chain) that QEMU must not open.
- `copy.Copier(commands)`: `copy(source, target, size, ...)` and `compare(one, other, size)` between two backends, by
  qemu-img in a process of its own; `compare` answers with the first offset that differs, or None.
- `importing.Importer(copier, clock, spool)`: `incoming = await begin(chunks, format, length=..., size=...)` reads the
  beginning of a stream of `raw`, `vhd` or `qcow2` and knows `incoming.virtual_size` (to make the VDI), then
  `await incoming.load(Target(backend, vdi, is_zero))` writes it all.
- `spool.Spool(folder)`: where a qcow2 image is kept until it is unpacked; `clear()` it when the agent starts.
- `exporting.plan_export(disk, format, ...)` makes an `Export`: its exact length is known before the first byte
  (`Export.length`), and `Export.chunks()` is the stream.
- `flatten.flatten(path, target)`: a VHD with its parents as a qcow2 image of its own.

Errors: BadImage (SR_BACKEND_FAILURE_65) for what is wrong with a stream, VdiTooSmall if it does not fit, InvalidValue
for an unknown format or what a format cannot hold, SrBackendFailure 200 (EIO) for the rest. It can all be cancelled.
"""
