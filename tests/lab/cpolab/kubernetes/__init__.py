"""The Kubernetes part: control planes on loopback ports and nodes that are the guests of OpenStack servers."""
