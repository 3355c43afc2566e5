"""What is wanted, as wishes for the network ports. Pure."""
