"""What the rotator talks to, on loopback: Azure's services, an SSH master, a Kubernetes API, and who is notified."""
