"""Image formats, read and written by ourselves: qcow2 and VHD. No function here starts a process or awaits.

Everything blocks on files: call it in a thread. What is read is hostile; the only error of a parser is `BadImage`, and
what it reads, keeps and takes is bounded by limits of ours or by the real size of the file.
"""
