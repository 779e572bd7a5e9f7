"""memcached: validated tokens, so that not every request asks Keystone."""
from ...units import Daemon, port_open
from .. import settings
from ..site import Service, Site


def service(site: Site) -> Service:
    port = settings.PORTS["memcached"]
    argv = ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", port, "-m", 32, "-t", 1]
    return Service("memcached", units=[Daemon("memcached", argv=argv, ready=port_open(port))])
