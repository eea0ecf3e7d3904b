"""What is no file of a checkpoint at all: pages, pointers, links, pipes, folders, noise."""

import os
import tarfile

import numpy as np
from hostile import BAD, UNSUPPORTED, hostile


@hostile("page.pt", BAD, "web page")
def _(path):
    path.write_text("<!DOCTYPE html><html><body>404</body></html>")


@hostile("pointer.safetensors", BAD, "Git LFS")
def _(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")


@hostile("empty.pt", BAD, "is empty")
def _(path):
    path.touch()


@hostile("missing.pt", BAD, "no such file")
def _(path):
    pass


@hostile("link-out.pt", BAD, "leads out")
def _(path):
    path.symlink_to("/etc/hostname")


@hostile("link-to-nothing.pt", BAD, "does not exist")
def _(path):
    path.symlink_to("nothing-here.pt")


@hostile("link-to-itself.pt", BAD, "link")
def _(path):
    path.symlink_to(path.name)


@hostile("device.pt", BAD, "link")
def _(path):
    path.symlink_to("/dev/zero")


@hostile("pipe.pt", BAD, "a pipe")
def _(path):
    os.mkfifo(path)


@hostile("folder.pt", BAD, "a folder")
def _(path):
    path.mkdir()


@hostile("packed.pt", UNSUPPORTED, "packed")
def _(path):
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("x"))


@hostile("noise.bin", UNSUPPORTED, "no format")
def _(path):
    path.write_bytes(np.random.default_rng(0).integers(128, 255, 5000, np.uint8).tobytes())


@hostile("text.ckpt", UNSUPPORTED, "no format")
def _(path):
    path.write_text("hello, world, this is no checkpoint\n")
