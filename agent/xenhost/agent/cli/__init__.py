"""The command-line client, `xenhost`. It speaks gRPC to the agent, and nothing else.

main      entry, groups that load on demand       commands    one module for each group
client    the only module with gRPC               failure     errors and exit codes
shapes    JSON                                    table       tables for people
parse     sizes, devices, CPU sets                vm_file     a VM in a TOML file
waiting   operations: progress, Ctrl-C            terminal    the console
probing   what a probe found, what comes next     tree        chains of images
image_file: images from and to files and pipes
"""
