"""How an API is served: uWSGI, one process, a few threads, and a log line for each request."""
from ..units import Daemon, http_answers
from . import settings
from .site import Site

MARK = "CALL"
"""Begins each access line: they stand in the service's log among the program's own (see calls.py)."""

# milliseconds since the epoch at the start, milliseconds taken, status, method, URI, bytes of the body, user agent
ACCESS = "\t".join([MARK, "%(tmsecs)", "%(msecs)", "%(status)", "%(method)", "%(uri)", "%(rsize)", "%(uagent)"])


def api(site: Site, service: str, module: str, *, after: list, threads: int, env: dict | None = None, argv: list | None = None,
        mounts: dict | None = None) -> Daemon:
    """The unit `<service>-api`: a WSGI module on the service's port."""
    port = settings.PORTS[service]
    # No master process (nor any option that brings one, such as --req-logger): the worker would be its fork, and Neutron's
    # threads that talk to OVN do not survive a fork. "Connection: close" because a thread serves one connection
    # at a time, and idle kept-alive ones would occupy them all.
    command = ["uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", module, "--virtualenv", site.venv, "--processes", 1,
               "--threads", threads, "--enable-threads", "--die-on-term", "--need-app", "--single-interpreter",
               "--buffer-size", 65535, "--listen", 100, "--add-header", "Connection: close",
               "--log-format", ACCESS]
    if argv:
        command += ["--pyargv", " ".join(str(word) for word in argv)]
    return Daemon(f"{service}-api", after, argv=command, env=env or {}, mounts=mounts, ready=http_answers(port))
