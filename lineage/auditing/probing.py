"""Further evidence where the architecture is known: features on the way from each candidate to the child.

The score is that of `lineage.score_pair` for `path`, the cosine at alpha 0.5 averaged over the layers: larger is more
alike. It ranks candidates; it comes with no p-value, and decides nothing by itself.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lineage.auditing.audit import Audit
from lineage.auditing.report.types import ProbeReport
from lineage.auditing.stages.comparing import Opener
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

SIMILARITY, ALPHA = "cosine", 0.5
IMAGES = 64
NOISE = "noise"


class Prober:
    """Runs networks of one architecture on one probe.

    Args:
        architecture: a name that `lineage.networks` knows, as `fc` or `timm:resnet18`.
        probe: a folder of images by class, a Parquet file, `embedded:NAME`, or `noise`.
        image_size: pixels; channels: 1 or 3.

    Raises:
        UserError: for an unknown architecture, or a probe that cannot be read.
    """

    def __init__(self, architecture: str, probe: str, *, image_size: int, channels: int):
        self.architecture, self.name = architecture, probe
        self._size = {"channels": channels, "image_size": image_size}
        try:
            self._skeleton()
        except UserError as error:
            raise UserError(f"arch: {str(error).removeprefix('network.name: ')}") from None
        self._inputs = _inputs(probe, **self._size)

    def score(self, candidate: Checkpoint, child: Checkpoint) -> float:
        """How alike a candidate and the child are on the probe.

        Raises:
            UserError: if either has not the architecture's tensors.
        """
        from lineage.similarity.score import score_pair

        scores = score_pair(
            self._network(candidate),
            self._network(child),
            self._inputs,
            approximations=["path"],
            alphas=[ALPHA],
            similarities=[SIMILARITY],
        )
        return float(scores["score"].mean())

    def _network(self, model: Checkpoint) -> "nn.Module":
        """The architecture with a checkpoint's weights; its head has as many classes as the checkpoint's."""
        from lineage.networks.architectures import build, head_of
        from lineage.networks.from_checkpoint import shapes_of, state_from

        skeleton = self._skeleton()
        head = head_of(skeleton)
        backbone = {
            name: shape for name, shape in shapes_of(skeleton).items() if not name.startswith(f"{head}.")
        }
        state = state_from(
            model,
            backbone,
            architecture=self.architecture,
            advice="give another --arch, --image-size or --channels, or leave them out",
        )
        network = build(self.architecture, classes=2, seed=0, **self._size)
        network.load_state_dict(state, strict=False)
        return network.eval()

    def _skeleton(self) -> "nn.Module":
        """The architecture without weights."""
        import torch

        from lineage.networks.architectures import build

        with torch.device("meta"):
            return build(self.architecture, classes=2, seed=0, **self._size)


def rank_on_probe(audit: Audit, prober: Prober) -> ProbeReport:
    """The candidates' scores on a probe, largest first, and whether the best is the closest.

    Raises:
        UserError: if the child has not the architecture.
    """
    scores, refused = {}, {}
    child, opened = audit.child.checkpoint, Opener(follow=audit.settings.follow)
    prober.score(child, child)
    for candidate in audit.candidates:
        try:
            scores[candidate.id] = prober.score(opened(candidate), child)
        except UserError as error:
            refused[candidate.id] = str(error)
    ranked = dict(sorted(scores.items(), key=lambda item: -item[1]))
    best = next(iter(ranked), None)
    return ProbeReport(
        architecture=prober.architecture,
        inputs=prober.name,
        scores=ranked,
        refused=refused,
        best=best,
        agrees=best in audit.verdict.parents or best == audit.verdict.closest,
    )


def _inputs(probe: str, *, channels: int, image_size: int) -> "Tensor":
    """The probe's inputs [n, C, H, W]."""
    import torch

    from lineage.data.images import stratified_subset
    from lineage.data.load import load_images
    from lineage.seeds import seed_of

    if probe == NOISE:
        generator = torch.Generator().manual_seed(seed_of("noise"))
        return torch.rand((IMAGES, channels, image_size, image_size), generator=generator)
    if ":" not in probe and not Path(probe).exists():
        raise UserError(
            f"{probe}: expected a folder of images, a Parquet file, or noise, found nothing there"
        )
    source = probe if ":" in probe else f"folder:{probe}" if Path(probe).is_dir() else f"parquet:{probe}"
    images = load_images(source, split="test", size=image_size, channels=channels)
    return images.tensor(stratified_subset(images.labels, min(IMAGES, len(images)), seed_of("probe")))
