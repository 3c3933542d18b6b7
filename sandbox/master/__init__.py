"""The Kubernetes master as an SSH client sees it, our own or with OpenSSH's sshd."""
