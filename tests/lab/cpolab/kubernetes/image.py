"""Container images without a registry: archives made from files of this machine, for `ctr images import`."""
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from ..lock import locked
from ..paths import Lab
from ..stamps import Stamp

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image of one layer.

    files    path in the image -> file of this machine
    links    path in the image -> what the symbolic link there says
    command  what runs by default
    """

    name: str
    files: dict[str, Path]
    links: dict[str, str]
    command: tuple[str, ...]


def standard(lab: Lab) -> list[Image]:
    """The images that every node has: the pod sandbox, a shell with the usual tools, and a server that says who it is."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise LabError("there is no busybox in PATH: install the package busybox-static")
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    shell_files = {"bin/busybox": Path(busybox)}
    shell_links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    return [
        Image("lab.local/pause:1", {"pause": lab.bin / "pause"}, {}, ("/pause",)),
        Image("lab.local/busybox:1", shell_files, shell_links, ("/bin/sh",)),
        Image("lab.local/echo:1", shell_files | {"echo": lab.bin / "echo"}, shell_links, ("/echo",)),
    ]


def archive(lab: Lab, images: list[Image], architecture: str) -> Path:
    """The archive of these images in the cache, written again only if one of their files has changed."""
    path = lab.build / "images.tar"
    contents = [part for image in images for part in (image, *image.files.values())]
    with locked(lab.build, "images"):
        stamp = Stamp(path.with_suffix(".stamp"), Path(__file__), architecture, *contents)
        if not (stamp.fresh() and path.exists()):
            new = path.with_suffix(".new")
            new.write_bytes(pack(images, architecture))
            new.replace(path)
            stamp.write()
    return path


def pack(images: Iterable[Image], architecture: str) -> bytes:
    """The archive as bytes, in the format of `docker save`. The same images always give the same bytes."""
    manifest, members = [], {}
    for image in images:
        layer = _layer(image)
        digest = hashlib.sha256(layer).hexdigest()
        config = json.dumps({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": list(image.command), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }).encode()
        config_name, layer_name = f"{hashlib.sha256(config).hexdigest()}.json", f"{digest}/layer.tar"
        members |= {config_name: config, layer_name: layer}
        manifest.append({"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]})
    members["manifest.json"] = json.dumps(manifest).encode()
    return _tar((_regular(name, content, 0o644), content) for name, content in members.items())


def _layer(image: Image) -> bytes:
    accounts = {"etc/passwd": b"root:x:0:0:root:/:/bin/sh\n", "etc/group": b"root:x:0:\n"}
    members = [(_directory(name, mode), None) for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777))]
    members += [(_regular(name, content, 0o644), content) for name, content in accounts.items()]
    for name, source in sorted(image.files.items()):
        content = source.read_bytes()
        members.append((_regular(name, content, 0o755), content))
    members += [(_link(name, target), None) for name, target in sorted(image.links.items())]
    return _tar(members)


def _tar(members: Iterable[tuple[tarfile.TarInfo, bytes | None]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive_file:
        for info, content in members:
            archive_file.addfile(info, io.BytesIO(content) if content is not None else None)
    return buffer.getvalue()


def _regular(name: str, content: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info


def _directory(name: str, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info


def _link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info
