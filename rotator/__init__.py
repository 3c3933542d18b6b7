"""Keeps the storage credentials in Kubernetes Secrets short-lived and fresh."""

__version__ = "0.1.0"
