"""The OpenStack half: Keystone, Placement, Glance, Nova with a fake hypervisor, Neutron with OVN, Octavia."""
