"""What component tests stand on: an agent in this process or as a real one, clients, certificates, a master.

agent    everything but the daemon around it, on a simulated host whose guests a test can move
process  the real `xenhostd`, to be killed            client  the services as a client sees them
master   a pool master that writes down what it hears  pki    a certificate authority and what it signs
"""
