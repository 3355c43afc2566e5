"""IP addresses, routes and name servers of dom0."""
