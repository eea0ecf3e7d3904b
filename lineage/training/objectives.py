"""What training minimises: the loss of a batch, and how many of it are right."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def classified(net: nn.Module, pixels: Tensor, labels: Tensor, smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Mean cross-entropy on a batch of images or of their pixels, and how many are right.

    Args:
        net: a classifier, or a segmentation network of torchvision; its logits are [n, classes, ...].
        pixels: [n, C, H, W].
        labels: [n], or [n, H, W] of pixels; int64.
        smoothing: the share of the target that is spread evenly over all classes (Szegedy et al. 2016,
            doi:10.1109/CVPR.2016.308).
    """
    output = net(pixels)
    logits = output["out"] if isinstance(output, dict) else output  # a dict from torchvision's segmentation
    loss = cross_entropy(logits, labels, label_smoothing=smoothing)
    return loss, (logits.argmax(1) == labels).sum().item()


def detected(net: nn.Module, pixels: Tensor, boxes: Tensor) -> tuple[Tensor, float]:
    """The sum of a detector's losses (of boxes, of classes, ...) on a batch; there is no accuracy: NaN.

    Args:
        net: a detector of torchvision, in training mode.
        pixels: [n, C, H, W].
        boxes: [n, M, 5] as `BoxedImages` has them.
    """
    targets = [
        {"boxes": rows[rows[:, 0] >= 0, 1:], "labels": rows[rows[:, 0] >= 0, 0].long() + 1} for rows in boxes
    ]
    return sum(net(list(pixels), targets).values()), float("nan")
