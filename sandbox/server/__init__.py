"""What servers have in common: starting and stopping, HTTP, certificates, child processes, faults, a journal."""
