"""`/cli`: the server's half of xe, which is a thin client: it sends its arguments and prints what it is told.

protocol           frames, without input or output     handler    one run of xe
arguments          what was typed                       shell      calls, objects, printing, for commands
fields, words      values as xe shows them              commands   everything else, as data
generic            -list and -param-*, from the model
"""
