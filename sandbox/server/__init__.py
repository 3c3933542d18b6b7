"""What servers have in common: listening on loopback, certificates, child processes, faults, a journal."""
