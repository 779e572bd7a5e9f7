"""The demonstration on the simulator: the real controller and a real API server, an OpenStack that is a program of ours.

Nodes are Node objects whose addresses are loopback addresses with a web server each; load balancers' addresses are on
loopback, too, and really forward. Nothing but loopback is used, and nothing is left behind.
"""
import signal
import time
import urllib.error
import urllib.request

import show
from simulated_world import Cloud, Cluster, Node, Processes, SimulatedController, build, open_port, prepare
from world import BUILT, PROGRAM, ROOT, Failure, show_log, timed, until

NAME = "demo"
"""`--cluster-name` of the controller: part of the names of all it makes, and its user agent."""
NODE_PORT = 30080
SERVICE = ROOT / "tests/demo/simulated.yaml"


def main() -> int:
    """All steps."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes = Processes()
    demo = Demo(processes)
    try:
        demo.run()
        return 0
    except Failure as failure:
        show.failure(f"{failure}")
        return 1
    except KeyboardInterrupt:
        show.failure("stopped")
        return 130
    finally:
        demo.close()


class Demo:
    """The steps, in order; each leaves what the next one needs."""

    def __init__(self, processes: Processes):
        self.processes = processes
        self.controller: SimulatedController | None = None
        self.nodes: list[Node] = []
        self.steps: list[list[str]] = []
        self.counted: dict[tuple, int] = {}
        self.began = 0.0

    def run(self) -> None:
        """All steps."""
        show.say("Kubernetes on OpenStack: what the cloud controller does. The controller and the API server are the real "
                 "programs; OpenStack is fake-openstack, which is as strict as the real one and forwards on loopback. "
                 "The same on a real OpenStack: CLOUD=lab make demo.")
        began = time.monotonic()
        self.prepare()
        ready = time.monotonic()
        self.start()
        self.join("n1", "n2")
        self.expose()
        self.curl()
        self.grow()
        self.shrink()
        self.delete()
        self.stop()
        self.end(ready - began, time.monotonic() - ready)

    def close(self) -> None:
        """Ends all that was started."""
        if self.controller:
            self.controller.stop()
        for node in self.nodes:
            node.close()
        self.processes.stop()

    def prepare(self) -> None:
        """Programs."""
        show.title("The programs")
        if PROGRAM != BUILT:
            show.say(f"The controller is {PROGRAM}.")
        show.command("cargo build --profile ci … fake-openstack, openstack-cloud-controller-manager")
        _, took = timed(build)
        show.result(f"built in {took:.0f} s")
        self.bin, took = timed(prepare)
        show.result(f"kube-apiserver and kubectl, built from Go's modules if they are not in the cache: {took:.0f} s")

    def start(self) -> None:
        """Both worlds and the controller."""
        show.title("A cloud, a cluster, the controller")
        self.cloud, took = timed(lambda: Cloud(self.processes))
        show.command(f"target/ci/fake-openstack --provider=ovn --cloud-conf=…      ({took:.1f} s)")
        show.output(f"Keystone {self.cloud.world['auth_url']}   Octavia {self.cloud.world['octavia']}   "
                    f"control {self.cloud.world['control']}")
        self.cluster, took = timed(lambda: Cluster(self.processes, self.bin))
        show.command(f"etcd; kube-apiserver      ({took:.1f} s)")
        show.output(f"Kubernetes {self.cluster.server}")
        self.controller = SimulatedController(self.cluster, self.cloud, NAME)
        took = self.controller.start()
        show.result(f"the controller leads after {took:.1f} s")

    def join(self, *names: str) -> None:
        """Servers become nodes."""
        show.title(f"{' and '.join(names)} join" + ("s: the members follow" if self.published() else ""))
        self.mark()
        fresh = [Node(self.cluster, self.cloud, name, NODE_PORT) for name in names]
        self.nodes += fresh

        def registered() -> None:
            for node in fresh:
                node.register()
            until(60, f"{' and '.join(names)} to be initialised", lambda: all(node.initialised() for node in fresh), self.controller)
        _, took = timed(registered)
        show_log(self.controller.news(), ["node initialisation planned"])
        columns = ("NAME:.metadata.name,INTERNAL-IP:.status.addresses[?(@.type=='InternalIP')].address,"
                   "PROVIDER-ID:.spec.providerID,TYPE:.metadata.labels.node\\.kubernetes\\.io/instance-type")
        show.command("kubectl get nodes -o custom-columns=…")
        show.output(self.cluster.kubectl("get", "nodes", "-o", f"custom-columns={columns}"))
        if not self.published():
            self.count(f"{' and '.join(names)} join", took, "provider ID, addresses and labels written, taint gone")

    def expose(self) -> None:
        """A Service of type LoadBalancer."""
        show.title("A Service of type LoadBalancer")
        show.command("kubectl apply -f tests/demo/simulated.yaml")
        show.output("\n".join(SERVICE.read_text().splitlines()[1:]))
        self.mark()

        def apply() -> None:
            self.cluster.kubectl("apply", "-f", SERVICE)
            until(60, "an address", self.published, self.controller)
        _, took = timed(apply)
        self.address = self.published()
        show_log(self.controller.news(), ["changing load balancer"])
        show.command("kubectl events --for service/echo")
        show.output(self.cluster.kubectl("events", "--for", "service/echo"))
        self.count("Service → floating IP", took, f"{self.address} published")

    def published(self) -> str:
        """The Service's address, if it has one."""
        found = self.cluster.kubectl("get", "service", "echo", "--ignore-not-found", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        return found.strip()

    def url(self) -> str:
        """Where the Service is reached."""
        return f"http://{self.address}:8080/"

    def ask(self) -> str:
        """Who answers."""
        try:
            with urllib.request.urlopen(self.url(), timeout=3) as answer:
                return answer.read().decode().strip()
        except (urllib.error.URLError, OSError):
            return ""

    def answered(self, times: int) -> dict[str, int]:
        """Who answered how often."""
        sums: dict[str, int] = {}
        for _ in range(times):
            name = self.ask()
            sums[name or "nobody"] = sums.get(name or "nobody", 0) + 1
        return dict(sorted(sums.items()))

    def curl(self) -> None:
        """Packets through the floating IP."""
        show.title("Traffic through the floating IP")
        show.command(f"curl {self.url()}      (30 times)")
        _, took = timed(lambda: until(20, f"{self.url()} to answer", self.ask, self.controller))
        sums = self.answered(30)
        show.table(["answered by", "times"], [[name, str(times)] for name, times in sums.items()])
        if set(sums) != {"n1", "n2"}:
            raise Failure(f"n1 and n2 were to answer, not {sums}")
        show.result(f"first answer {took:.2f} s after the address was published; both nodes answered")

    def grow(self) -> None:
        """A node comes, and the members follow."""
        before = self.updates()
        self.join("n3")
        until(60, "the members to follow", lambda: self.updates() > before, self.controller)
        took = time.monotonic() - self.began
        self.follow({"n1", "n2", "n3"}, "n3 joins, 2 → 3 members", took)

    def shrink(self) -> None:
        """A node goes, and the members follow."""
        show.title("A node goes")
        show.command("kubectl delete node n3; openstack server delete n3")
        self.mark()
        before = self.updates()
        self.nodes.pop().leave()
        _, took = timed(lambda: until(60, "the members to follow", lambda: self.updates() > before, self.controller))
        self.follow({"n1", "n2"}, "n3 goes, 3 → 2 members", took)

    def updates(self) -> int:
        """How often the controller has said that the members have followed the nodes."""
        return self.cluster.event_count("echo", "UpdatedLoadBalancer")

    def follow(self, names: set[str], what: str, took: float) -> None:
        """What was done, and who answers now."""
        show_log(self.controller.news(), ["set members"])
        sums = self.answered(60)
        show.output("answered by " + ", ".join(f"{name} {times} times" for name, times in sums.items()))
        if set(sums) != names:
            raise Failure(f"{names} were to answer, not {sums}")
        self.count(what, took, f"{what}; {', '.join(sorted(names))} answer")

    def delete(self) -> None:
        """The Service goes, and all that was made for it."""
        show.title("The Service goes")
        show.command("kubectl delete service echo")
        self.mark()
        _, took = timed(lambda: self.cluster.kubectl("delete", "service", "echo", "--timeout=60s"))
        show_log(self.controller.news(), ["removing load balancer"])
        until(10, "the load balancer to be gone", lambda: not self.cloud.ask("GET", "dump")["loadbalancers"], self.controller)
        dump = self.cloud.ask("GET", "dump")
        left = [kind for kind in ("loadbalancers", "listeners", "pools", "healthmonitors", "floatingips") if dump[kind]]
        left += [port["name"] for port in dump["ports"].values() if port["device_owner"].startswith(("Octavia", "ovn-lb"))]
        if left:
            raise Failure(f"left behind: {left}")
        if open_port(self.address, 8080):
            raise Failure(f"{self.url()} still answers")
        self.count("Service deleted", took, "no load balancer, no floating IP, no port is left; the address is closed")

    def stop(self) -> None:
        """The controller ends, its lease is free at once."""
        show.title("The controller stops")
        took = self.controller.stop()
        lease = self.cluster.get("lease", "-n", "kube-system", "cloud-controller-manager")
        if lease["spec"].get("holderIdentity"):
            raise Failure("the lease was not released")
        show.result(f"ended {took * 1000:.0f} ms after SIGTERM, lease released for the next one")

    def mark(self) -> None:
        """A step begins here."""
        self.began = time.monotonic()
        self.counted = self.cloud.calls(NAME)

    def count(self, step: str, took: float, achieved: str) -> None:
        """Notes and tells what a step has cost."""
        now = self.cloud.calls(NAME)
        fresh = {call: times - self.counted.get(call, 0) for call, times in now.items()}
        total = sum(fresh.values())
        writes = sum(times for call, times in fresh.items() if call[1] != "GET")
        self.steps.append([step, f"{took:.1f}", str(total), str(writes)])
        show.result(f"{took:.1f} s: {achieved}; {total} calls to OpenStack, {writes} of them writes")

    def end(self, prepared: float, took: float) -> None:
        """Figures, and where to go on."""
        show.title("Measured just now")
        show.table(["step", "seconds", "OpenStack calls", "of these writes"], self.steps)
        show.line()
        show.say(f"Prepared in {prepared:.0f} s, shown in {took:.0f} s. Calls are those of the controller; logins are left out. "
                 "All that was started has ended with this line.")
        show.line(show.paint("  # a fake OpenStack to play with: faults, servers, what was asked", show.DIM))
        show.line("  target/ci/fake-openstack --help; tests/simulator/README.md")
        show.line(show.paint("  # the same on a real OpenStack and a whole Kubernetes, as root", show.DIM))
        show.line("  CLOUD=lab make demo")
