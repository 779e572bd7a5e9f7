"""The laboratory: a real OpenStack and a real Kubernetes on one machine, for tests and demonstrations."""
