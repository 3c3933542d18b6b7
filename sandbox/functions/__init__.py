"""The Functions host as far as it starts a worker and sends it invocations."""
