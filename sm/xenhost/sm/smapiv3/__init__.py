"""A host for SMAPIv3 plugins: folders of scripts that take JSON on standard input and answer on standard output.

`host.PluginHost(context, roots)` finds them below `<root>/volume` and `<root>/datapath`, and makes an `SrDriver` of
each volume plugin. Scripts are foreign: each call is a process with a deadline, what it prints is bounded and checked,
and a plugin that hangs or dies costs only the call.
"""
