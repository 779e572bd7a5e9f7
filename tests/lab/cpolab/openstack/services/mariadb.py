"""MariaDB: every service's database. (SQLite will not do: Neutron's and Octavia's migrations alter constraints.)"""
import subprocess

from ...units import Daemon, Task, port_open
from .. import settings
from ..site import Service, Site


def service(site: Site) -> Service:
    data = site.data / "mysql"
    install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
               "--auth-root-authentication-method=normal", "--skip-test-db"]
    # Durability is given up for speed: a broken state begins again from the seed.
    server = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket(site)}",
              "--bind-address=127.0.0.1", f"--port={settings.PORTS['mariadb']}", f"--pid-file={site.run}/mariadb.pid",
              "--skip-log-bin", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
              "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=32M", "--performance-schema=OFF",
              "--max-connections=800", "--character-set-server=utf8mb3", "--collation-server=utf8mb3_general_ci"]
    return Service("mariadb", units=[
        Task("mariadb-install", argv=install, once=True),
        Daemon("mariadb", ["mariadb-install"], argv=server, ready=port_open(settings.PORTS["mariadb"])),
    ])


def socket(site: Site):
    """The server's unix socket."""
    return site.run / "mysql.sock"


def client(site: Site, statement: str) -> list[str]:
    """Command line that executes SQL and prints bare rows."""
    return ["mariadb", "--no-defaults", f"--socket={socket(site)}", "--user=root", "-N", "-e", statement]


def query(site: Site, statement: str) -> str:
    """Output of a statement; empty if it fails."""
    return subprocess.run(client(site, statement), capture_output=True, text=True).stdout.strip()
