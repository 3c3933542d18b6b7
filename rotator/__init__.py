"""Keeps the storage credentials in Kubernetes Secrets short-lived and fresh."""
