"""One file for each service. To add one: write its file with `service(site) -> Service` and name it here."""
from . import glance, keystone, mariadb, memcached, neutron, nova, octavia, ovn, placement, rabbitmq

INFRASTRUCTURE = [mariadb, rabbitmq, memcached, ovn]
OPENSTACK = [keystone, placement, glance, neutron, nova, octavia]
