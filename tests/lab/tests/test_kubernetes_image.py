"""Image archives."""
import hashlib
import io
import json
import tarfile
import tempfile
import unittest
from pathlib import Path

from cpolab.kubernetes.image import Image, pack


class Pack(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        program = Path(directory.name, "program")
        program.write_bytes(b"\x7fELF")
        self.images = [Image("lab.local/one:1", {"bin/program": program}, {"bin/sh": "program"}, ("/bin/program", "-x")),
                       Image("lab.local/two:1", {"program": program}, {}, ("/program",))]

    def test_same_images_same_bytes(self):
        self.assertEqual(pack(self.images, "amd64"), pack(self.images, "amd64"))

    def test_manifest_names_every_image_and_its_content(self):
        archive = tarfile.open(fileobj=io.BytesIO(pack(self.images, "arm64")))
        manifest = json.load(archive.extractfile("manifest.json"))
        self.assertEqual([entry["RepoTags"] for entry in manifest], [["lab.local/one:1"], ["lab.local/two:1"]])
        for entry in manifest:
            config = json.load(archive.extractfile(entry["Config"]))
            layer = archive.extractfile(entry["Layers"][0]).read()
            self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(layer).hexdigest()])
            self.assertEqual(config["architecture"], "arm64")

    def test_layer_has_the_files_and_links(self):
        archive = tarfile.open(fileobj=io.BytesIO(pack(self.images, "amd64")))
        entry = json.load(archive.extractfile("manifest.json"))[0]
        layer = tarfile.open(fileobj=io.BytesIO(archive.extractfile(entry["Layers"][0]).read()))
        self.assertEqual(layer.getmember("bin/program").mode, 0o755)
        self.assertEqual(layer.getmember("bin/sh").linkname, "program")
        self.assertEqual(layer.getmember("tmp").mode, 0o1777)
        self.assertEqual(json.load(archive.extractfile(entry["Config"]))["config"]["Cmd"], ["/bin/program", "-x"])


if __name__ == "__main__":
    unittest.main()
