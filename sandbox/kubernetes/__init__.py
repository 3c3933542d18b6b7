"""The Kubernetes API for Secrets, our own or a real kube-apiserver."""
