"""`lab check`: proof that the data path works. A web server in a guest's namespace, behind an OVN load balancer with a floating IP,
is asked from the lab's namespace; and an amphora load balancer becomes ACTIVE with all its children."""
import contextlib
import subprocess
import time

from .. import netns, paths
from ..process import Supervisor
from ..progress import say
from ..wait import until
from . import client, servers, settings
from .site import Site

_NAME = "lab-check"
_PORT = 30080
_MTU = 1442  # 1500 less Geneve's headers


def check(lab: paths.Lab) -> None:
    """LabError if something does not work; leaves nothing behind."""
    network = settings.NETWORKS[settings.USERS["user"]["project"]]["network"]
    with _guest(lab) as guest:
        for provider in ("ovn", "amphora"):
            name = f"{_NAME}-{provider}"
            try:
                made = client.run_script(lab, "balancer.py", "create", name, provider, network, guest.address, _PORT)
                say(f"{provider}: " + ", ".join(f"{step} {seconds} s" for step, seconds in made["seconds"].items()))
                if made["floating_ip"]:
                    _ask(lab, made["floating_ip"])
            finally:
                began = time.monotonic()
                client.run_script(lab, "balancer.py", "delete", name)
                say(f"{provider}: deleted in {time.monotonic() - began:.1f} s")


@contextlib.contextmanager
def _guest(lab: paths.Lab):
    """A server whose port is in a namespace of its own, where a web server listens."""
    namespace = f"{lab.netns}-check"
    supervisor = Supervisor(Site(lab).run / "check", Site(lab).log)
    began = time.monotonic()
    server = servers.create(lab, [_NAME])[0]
    say(f"server {server.address} ACTIVE in {time.monotonic() - began:.1f} s")
    try:
        netns.make(namespace)
        netns.run(lab.netns, ["ip", "link", "set", server.tap, "netns", namespace])
        for words in (f"link set {server.tap} address {server.mac} mtu {_MTU} up",
                      f"address add {server.address}/{server.prefix_length} dev {server.tap}",
                      f"route add default via {server.gateway}"):
            subprocess.run(["ip", "-n", namespace, *words.split()], check=True)
        supervisor.start(_NAME, ["python3", "-m", "http.server", _PORT, "--directory", Site(lab).data / "home"], netns=namespace)
        yield server
    finally:
        supervisor.stop(_NAME)
        servers.delete(lab, [_NAME])
        netns.delete(namespace)


def _ask(lab: paths.Lab, address: str) -> None:
    """Fetch a page from the floating IP, with the lab's namespace as the outside world."""
    def answers():
        asked = netns.run(lab.netns, ["curl", "--silent", "--max-time", "3", "--output", "/dev/null", "--write-out", "%{http_code} %{time_total}",
                                      f"http://{address}/"], check=False, capture_output=True, text=True).stdout.split()
        return asked[1] if asked and asked[0] == "200" else None

    began = time.monotonic()
    took = until(30, answers, f"http://{address}/ does not answer from the namespace {lab.netns}")
    say(f"http://{address}/ answered 200 in {took} s, {time.monotonic() - began:.1f} s after the floating IP was made")
