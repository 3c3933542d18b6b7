"""The example in `examples/viewer`, run as a process next to the sandbox."""
