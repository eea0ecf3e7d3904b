"""Small zoos to audit: networks trained on digits, and children of them fine-tuned on Fashion-MNIST.

Each zoo has independent roots, children, grandchildren, and networks that share the first root's initialisation
and nothing else. They are trained once, into build/audit/<zoo>/*.safetensors.
"""

import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

from lineage.data.load import load_images
from lineage.networks.architectures import build, head_of, seeded

FOLDER = Path("build/audit")
ROOTS, CHILDREN = 3, 3


def vit(seed: int) -> nn.Module:
    with seeded(seed):
        return timm.create_model("vit_tiny_patch16_224", img_size=28, patch_size=7, embed_dim=96, depth=4,
                                 num_heads=3, num_classes=10, in_chans=1)  # fmt: skip


def resnet(seed: int) -> nn.Module:
    return build("timm:resnet18", classes=10, channels=3, image_size=32, seed=seed)


def fc(seed: int) -> nn.Module:
    return build("fc", classes=10, channels=1, image_size=28, seed=seed)


ZOOS = {
    "fc": {"build": fc, "size": 28, "channels": 1, "optimizer": torch.optim.SGD, "root": (0.05, 10),
           "child": (0.1, 3), "weight_decay": 1e-4, "images": 1500},
    "vit": {"build": vit, "size": 28, "channels": 1, "optimizer": torch.optim.AdamW, "root": (1e-3, 12),
            "child": (1e-3, 4), "weight_decay": 0.05, "images": 1500},
    "resnet18": {"build": resnet, "size": 32, "channels": 3, "optimizer": torch.optim.SGD, "root": (0.05, 4),
                 "child": (0.02, 2), "weight_decay": 1e-4, "images": 800},
}  # fmt: skip


def trained(zoo: dict, network: nn.Module, data, rate: float, epochs: int, seed: int) -> nn.Module:
    """Trains in place, on a part of the images and in an order that the seed draws."""
    pixels, labels = data
    order = torch.Generator().manual_seed(seed)
    momentum = {"momentum": 0.9} if zoo["optimizer"] is torch.optim.SGD else {}
    optimizer = zoo["optimizer"](network.parameters(), lr=rate, weight_decay=zoo["weight_decay"], **momentum)
    chosen = torch.randperm(len(labels), generator=order)[: zoo["images"]]
    network.train()
    for _ in range(epochs):
        for batch in chosen[torch.randperm(len(chosen), generator=order)].split(64):
            loss = cross_entropy(network(pixels[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def inheriting(network: nn.Module, parent: dict[str, torch.Tensor]) -> nn.Module:
    """The network with the parent's weights under its own head."""
    head = f"{head_of(network)}."
    own = network.state_dict()
    network.load_state_dict({name: own[name] if name.startswith(head) else parent[name] for name in own})
    return network


def make(name: str) -> Path:
    """Trains a zoo, unless it is there: p<i>, p<i>.c<k>, p<i>.c0.g, and co<j> with p0's initialisation."""
    folder, zoo = FOLDER / name, ZOOS[name]
    if (folder / "done").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    size = {"size": zoo["size"], "channels": zoo["channels"]}
    digits, fashion = (
        (images.tensor(), images.labels_tensor())
        for images in (load_images("sklearn:digits", split="all", **size),
                       load_images("embedded:fashion-mnist", split="train", **size))
    )  # fmt: skip

    def keep(model: str, network: nn.Module) -> dict[str, torch.Tensor]:
        state = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
        save_file(state, folder / f"{model}.safetensors")
        print(f"{name}: {model}", file=sys.stderr, flush=True)
        return state

    (rate, epochs), (child_rate, child_epochs) = zoo["root"], zoo["child"]
    for root in range(ROOTS):
        seed = 7000 + root
        state = keep(f"p{root}", trained(zoo, zoo["build"](seed), digits, rate, epochs, seed))
        for number in range(CHILDREN):
            network = inheriting(zoo["build"](8000 + 10 * root + number), state)
            child = keep(
                f"p{root}.c{number}",
                trained(
                    zoo, network, fashion, child_rate / 2**number, child_epochs, 8000 + 10 * root + number
                ),
            )
            if number == 0:
                network = inheriting(zoo["build"](9000 + root), child)
                keep(f"p{root}.c0.g", trained(zoo, network, digits, child_rate, child_epochs, 9000 + root))
    for number, data in enumerate((digits, fashion)):
        keep(f"co{number}", trained(zoo, zoo["build"](7000), data, rate, epochs, 9500 + number))
    (folder / "done").touch()
    return folder


if __name__ == "__main__":
    torch.set_num_threads(1)
    for wanted in sys.argv[1:] or ZOOS:
        make(wanted)
