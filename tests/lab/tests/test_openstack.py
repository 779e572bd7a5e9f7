"""Descriptions of the OpenStack services: they fit together, without anything being started."""
import ipaddress
import tempfile
import unittest
from pathlib import Path

from cpolab import paths, units
from cpolab.errors import LabError
from cpolab.openstack import client, configuration, services, settings
from cpolab.openstack.site import Site
from cpolab.openstack.world import World


class Descriptions(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.site = Site(paths.Lab("cpo", Path(directory.name)))
        self.services = [module.service(self.site) for module in services.INFRASTRUCTURE + services.OPENSTACK]

    def test_each_unit_can_begin_and_has_a_name_of_its_own(self):
        every = [units.Unit("databases"), units.Unit("resources"), *(unit for service in self.services for unit in service.units)]
        names = [unit.name for unit in every]
        self.assertEqual(len(names), len(set(names)))
        units._check({unit.name: unit for unit in every})

    def test_every_api_in_the_catalogue_is_served_on_its_port(self):
        served = {unit.name for service in self.services for unit in service.units}
        for service in self.services:
            for name, kind, url in service.catalogue:
                self.assertIn(f"{name}-api", served)
                self.assertTrue(kind)
                self.assertTrue(url.startswith(f"http://127.0.0.1:{settings.PORTS[name]}"))

    def test_configuration_files_have_no_common_names(self):
        names = [name for service in self.services for name in service.files]
        self.assertEqual(len(names), len(set(names)))

    def test_every_database_that_is_configured_is_made(self):
        made = {name for service in self.services for name in service.databases}
        for service in self.services:
            for sections in service.files.values():
                for options in sections.values():
                    connection = str(options.get("connection", ""))
                    if connection.startswith("mysql"):
                        self.assertIn(connection.rpartition("/")[2].partition("?")[0], made)

    def test_a_world_that_was_never_started_does_not_run(self):
        world = World(self.site.lab)
        self.assertFalse(world.running())
        with self.assertRaisesRegex(LabError, "lab up openstack"):
            world.require()


class Configuration(unittest.TestCase):
    def test_rendering(self):
        text = configuration.render({"DEFAULT": {"yes": True, "no": False, "list": ["a", "b"], "number": 3}, "x": {"path": Path("/p")}})
        self.assertEqual(text, "[DEFAULT]\nyes = true\nno = false\nlist = a,b\nnumber = 3\n[x]\npath = /p\n")

    def test_a_services_own_options_win_over_the_common_ones(self):
        site = Site(paths.Lab("cpo", Path("/x")))
        found = configuration.service(site, "nova", {"DEFAULT": {"rpc_response_timeout": 5}, "own": {"a": 1}})
        self.assertEqual(found["DEFAULT"]["rpc_response_timeout"], 5)
        self.assertEqual(found["own"], {"a": 1})
        self.assertEqual(found["keystone_authtoken"]["username"], "nova")


class Settings(unittest.TestCase):
    def test_the_programs_under_test_are_no_administrators(self):
        for who in ("user", "other"):
            self.assertNotIn("admin", settings.USERS[who]["roles"])
            self.assertEqual(client.credentials(who)["OS_PROJECT_NAME"], settings.USERS[who]["project"])

    def test_networks_do_not_overlap(self):
        ranges = [ipaddress.ip_network(one["cidr"]) for one in [settings.EXTERNAL, *settings.NETWORKS.values()]]
        for index, one in enumerate(ranges):
            self.assertFalse(any(one.overlaps(other) for other in ranges[index + 1:]))


if __name__ == "__main__":
    unittest.main()
