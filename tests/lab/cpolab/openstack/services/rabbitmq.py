"""RabbitMQ: remote procedure calls between a service's processes. Its queues are not worth keeping: it starts empty."""
from ...units import Action, Daemon, port_open
from .. import settings
from ..site import Service, Site

_EPMD_PORT = 4369


def service(site: Site) -> Service:
    data = site.data / "rabbit"
    plugins = site.etc / "rabbitmq-plugins"

    def prepare():
        data.mkdir(parents=True, exist_ok=True)
        plugins.write_text("[].\n")

    env = {
        "HOME": str(data), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "lab@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(settings.PORTS["rabbitmq"]), "RABBITMQ_DIST_PORT": "25672",
        "RABBITMQ_MNESIA_BASE": f"{data}/mnesia", "RABBITMQ_LOG_BASE": str(site.log), "RABBITMQ_PID_FILE": f"{site.run}/rabbitmq.pid",
        "RABBITMQ_CONFIG_FILE": f"{site.etc}/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        # One scheduler thread that does not spin while idle.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
            "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
    }
    return Service("rabbitmq", units=[
        Action("rabbitmq-directory", call=prepare),
        # Erlang's name server: started by us, for the one that RabbitMQ would start detaches itself and is never stopped.
        Daemon("epmd", argv=["epmd"], env=env, ready=port_open(_EPMD_PORT)),
        Daemon("rabbitmq", ["rabbitmq-directory", "epmd"], argv=["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=env,
               ready=port_open(settings.PORTS["rabbitmq"])),
    ])
