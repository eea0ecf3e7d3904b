"""The probe: the inputs that make features. n samples."""

from torch import Tensor

from lineage.data.images import stratified_subset
from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.seeds import seed_of
from lineage.types.scoring import Network, Probe


def load_probe(probe: Probe, network: Network) -> tuple[list[str], Tensor]:
    """The probe's sample ids [n] and inputs [n, C, H, W].

    Args:
        probe: `data` and how many `images`, drawn evenly over the classes.
        network: gives image_size and channels.

    Raises:
        UserError: if there are fewer images, or as `load_data`.
    """
    images = load_data(probe.data, network)
    if probe.images > len(images):
        raise UserError(
            f"probe.images: expected at most {len(images)}, all there are in {probe.data.source}, "
            f"but got {probe.images}"
        )
    chosen = stratified_subset(images.labels, probe.images, seed_of("probe"))
    return [images.ids[index] for index in chosen], images.tensor(chosen)
