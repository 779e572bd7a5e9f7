"""The laboratory by its command line, and our controller as a process in it."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import time

import show

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "tests/lab/lab"
BUILT = ROOT / "target/ci/openstack-cloud-controller-manager"
PROGRAM = pathlib.Path(os.environ.get("PROGRAM") or BUILT).resolve()
"""What is run; PROGRAM in the environment is one that has been built already."""
RIGHTS = ROOT / "deploy/manifests/cloud-controller-manager/rbac.yaml"


class Failure(Exception):
    """Why it cannot go on, in words for the one who watches."""


def execute(argv: list, what: str, stdin: str | None = None, within: float = 300, quiet: bool = True) -> str:
    """Run a command to its end and return what it printed; a failure quotes the end of its error output."""
    try:
        done = subprocess.run([str(word) for word in argv], cwd=ROOT, input=stdin, text=True, timeout=within,
                              stdin=subprocess.DEVNULL if stdin is None else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: not done within {within:.0f} s") from None
    if done.returncode:
        said = (done.stderr or "").strip().splitlines()[-5:]
        raise Failure("\n".join([f"{what}: failed with code {done.returncode}", *said]))
    return done.stdout


class World:
    """The laboratory with one of its clusters."""

    def __init__(self, cluster: str):
        self.cluster = cluster

    def lab(self, *words, **options) -> str:
        """`tests/lab/lab WORDS`."""
        return execute([LAB, *words], f"lab {words[0]}", **options)

    def was_built(self) -> bool:
        """Whether it has been up on this machine before."""
        return (pathlib.Path(self.info()["cache"]) / "venv").exists()

    def info(self) -> dict:
        """Addresses, users, ids, files."""
        return json.loads(self.lab("info", "--json"))

    def kubectl(self, *words, **options) -> str:
        """kubectl as administrator."""
        return self.lab("kubectl", "--cluster", self.cluster, *words, **options)

    def get(self, *words) -> dict:
        """One or many Kubernetes objects."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def openstack(self, *words) -> list:
        """The answer of the `openstack` command, as the project's user."""
        return json.loads(self.lab("inside", "openstack", *words, "-f", "json"))

    def calls(self, agent: str, since: float) -> list[dict]:
        """Requests that OpenStack has answered to `agent`; logins left out, which belong to no one step."""
        rows = json.loads(self.lab("calls", "--agent", agent, "--since", f"{since:.3f}", "--json"))["calls"]
        return [row for row in rows if row["service"] != "keystone"]

    def event_count(self, namespace: str, name: str, reason: str) -> int:
        """How often something was said about a Service."""
        events = self.get("events", "-n", namespace, "--field-selector", f"involvedObject.name={name},reason={reason}")
        return sum(event.get("count") or 1 for event in events["items"])

    def typed(self) -> str:
        """How a person calls kubectl here."""
        return "tests/lab/lab kubectl" + ("" if self.cluster == "a" else f" --cluster {self.cluster}")


class Controller:
    """Our program, with the rights of its service account and a cloud.conf for the laboratory's cloud."""

    def __init__(self, world: World, cluster_name: str, provider: str = "ovn"):
        self.world, self.cluster_name, self.provider = world, cluster_name, provider
        self.process: subprocess.Popen | None = None
        self.read_to = 0

    def prepare(self) -> list[str]:
        """Write its files, grant its rights; returns the command line."""
        info = self.world.info()
        state = pathlib.Path(info["state"]) / f"demo-{self.world.cluster}"
        state.mkdir(parents=True, exist_ok=True)
        self.log = state / "controller.log"
        cloud_conf = state / "cloud.conf"
        cloud_conf.touch(mode=0o600)
        cloud_conf.write_text(cloud_conf_of(info["openstack"], self.provider))
        self.world.kubectl("apply", "-f", RIGHTS)
        kubeconfig = self.world.lab("kubeconfig", "--cluster", self.world.cluster,
                                    "cloud-controller-manager", "kube-system").strip()
        return ["nsenter", f"--net=/run/netns/{info['netns']}", "--", str(PROGRAM), "--cloud-provider=openstack",
                f"--cloud-config={cloud_conf}", f"--kubeconfig={kubeconfig}", f"--cluster-name={self.cluster_name}",
                f"--user-agent={self.cluster_name}", "--secure-port=0", "-v=2"]

    def start(self) -> float:
        """Start it, and wait until it holds the lease; returns how long that took."""
        argv = self.prepare()
        self.await_free_lease()
        began = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.read_to = 0
        until(30, "the controller to become leader", lambda: self.lease().get("holderIdentity"), self)
        return time.monotonic() - began

    def await_free_lease(self) -> None:
        """Waits until the lease of one that was killed has run out; one that lives is not to be disturbed."""
        deadline = time.monotonic() + 20
        while holder := self.lease().get("holderIdentity"):
            if time.monotonic() > deadline:
                raise Failure(f"another controller leads in cluster {self.world.cluster}: {holder}\n"
                              "stop it, or take another cluster: DEMO_CLUSTER=b")
            time.sleep(1)

    def lease(self) -> dict:
        """What the leaders' lease says; nothing if it has run out."""
        lease = json.loads(self.world.kubectl("get", "lease", "-n", "kube-system", "cloud-controller-manager",
                                              "--ignore-not-found", "-o", "json") or "{}").get("spec", {})
        if not lease.get("renewTime"):
            return {}
        renewed = datetime.datetime.fromisoformat(lease["renewTime"]).timestamp()
        return lease if time.time() < renewed + lease["leaseDurationSeconds"] else {}

    def stop(self) -> float:
        """Ask it to end and wait; returns how long that took."""
        if self.process is None:
            return 0.0
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        return time.monotonic() - began

    def check(self) -> None:
        """Fails if it has ended on its own."""
        if self.process is not None and self.process.poll() is not None:
            raise Failure(f"the controller ended with code {self.process.returncode}\n{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of its log."""
        said = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n".join([f"end of {self.log}:", *(each[:400] for each in said)])

    def news(self) -> list[str]:
        """Whole lines that it has logged since the last call."""
        text = self.log.read_text(errors="replace")
        fresh, self.read_to = text[self.read_to:text.rfind("\n") + 1], text.rfind("\n") + 1
        return fresh.splitlines()


def cloud_conf_of(cloud: dict, provider: str) -> str:
    """A cloud.conf: who we are, which Octavia provider, which networks."""
    user, project, external = cloud["users"]["user"], cloud["projects"]["k8s"], cloud["external"]
    return f"""[Global]
auth-url = {cloud["auth_url"]}
region = {cloud["region"]}
username = {user["name"]}
password = {user["password"]}
user-domain-id = {user["domain_id"]}
tenant-id = {user["project_id"]}

[LoadBalancer]
lb-provider = {provider}
subnet-id = {project["subnet"]}
floating-network-id = {external["network"]}
"""


def until(seconds: float, what: str, predicate, controller: Controller | None = None):
    """Wait until `predicate` gives something; returns it."""
    deadline = time.monotonic() + seconds
    while True:
        if controller:
            controller.check()
        if answer := predicate():
            return answer
        if time.monotonic() > deadline:
            tail = f"\n{controller.tail()}" if controller else ""
            raise Failure(f"waited {seconds:.0f} s for {what}{tail}")
        time.sleep(0.2)


def build() -> None:
    """Build the program, optimised, unless another one is to be run."""
    if PROGRAM != BUILT:
        return
    argv = ["cargo", "build", "--locked", "--profile", "ci", "--package", "cloud-controller"]
    execute(argv, "building", within=3600, quiet=False)


def timed(work) -> tuple[object, float]:
    """What `work` returns, and the seconds it took."""
    began = time.monotonic()
    return work(), time.monotonic() - began


def counted(rows: list[dict]) -> list[list[str]]:
    """The rows of `lab calls` for a table: what, status, count."""
    return [[f"{row['service']} {row['method']} {row['path']}", row["status"], row["count"]] for row in rows]


def fields(logged: str) -> tuple[str, dict[str, str]]:
    """A line of the log as its message and its fields."""
    body = logged.split("] ", 1)[-1]
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', body)
    message = re.split(r" \w+=", body, maxsplit=1)[0].strip().strip('"')
    return message, {key: re.sub(r"^Some\((.*)\)$", r"\1", value.strip('"')) for key, value in pairs}


def show_log(lines: list[str], words: list[str]) -> None:
    """Prints those lines of the log that contain one of `words`, plans one call a line."""
    for each in lines:
        if not any(word in each for word in words):
            continue
        message, values = fields(each)
        plan = values.pop("plan", "")
        told = [f"{key}={value}" for key, value in values.items() if key not in ("dry_run", "provider_id")]
        show.logged("  ".join([message, *told]) + (":" if plan else ""))
        for call in filter(None, plan.split("; ")):
            show.logged(f"  • {call}")
