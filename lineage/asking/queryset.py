"""A query set: what a suspect is asked, what the candidates answer, and the commitment that was made before.

n queries of H x W x C pixels, K candidates, N inputs of the pool, d features.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from numbers import Real

import numpy as np

from lineage.errors import UserError

LEAST_LOG = -1e4
"""The least log-probability that is kept: 16 bits hold no much smaller one."""
PRUNED = {"pruned by 35 %": 0.35, "pruned by 65 %": 0.65}
"""The share of the weights that copies of the candidates lack, by the name of the view."""
TRAINED = "trained further"
"""Copies that learned for some steps what all candidates together answer."""
VIEWS = (*PRUNED, TRAINED)
"""What children of the candidates may answer that are no longer like them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a query set follows from: no number in it is free, the seed included.

    rule: of `lineage.asking.choosing.query_rules`; budget: how many queries; data: SHA-256 of the images; candidates,
    unrelated: SHA-256 of each one's weights by id; classes: how many all of them tell apart; class_names: their
    names; image_size, channels, mean, std: how they take images.
    """

    rule: str
    budget: int
    data: str
    candidates: dict[str, str]
    unrelated: dict[str, str]
    classes: int
    class_names: list[str]
    image_size: int
    channels: int
    mean: list[float] | None
    std: list[float] | None

    @property
    def ids(self) -> list[str]:
        """Of the candidates, then of the unrelated networks, in the order of their weights' SHA-256.

        So neither the order in which they were given nor their names say who stands where.
        """
        return [
            id for of in (self.candidates, self.unrelated) for id in sorted(of, key=lambda id: (of[id], id))
        ]

    @property
    def seed(self) -> int:
        """Follows from weights, images, rule and budget, so that nobody can try several; names play no part."""
        weights = sorted([*self.candidates.values(), *self.unrelated.values()])
        said = json.dumps([self.rule, self.budget, self.data, weights])
        return int(hashlib.sha256(said.encode()).hexdigest()[:15], 16)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the candidates answer on a pool.

    labels: int [K, N]; margins: how far each answer's log-probability is above the next, [K, N]; classes: how many;
    truth: int64 [N]; natural: how many inputs are images as they are, which come before the mixes.
    """

    labels: np.ndarray
    margins: np.ndarray
    classes: int
    truth: np.ndarray
    natural: int

    @property
    def is_natural(self) -> np.ndarray:
        """Of each input, whether it is an image as it is."""
        return np.arange(self.labels.shape[1]) < self.natural


@dataclass(frozen=True, kw_only=True, eq=False)
class QuerySet:
    """Queries for the candidates at hand.

    images: uint8 [n, H, W, C]; chosen: their places in the pool [n]; outputs: the candidates' log-probabilities,
    float16 [K, n, classes], and features: what their heads see, float16 [n, d] of each id, where there are any;
    seen: what the candidates answer on the pool; `source` names the data; views: what children of the candidates may
    answer that are no longer like them, by the names of VIEWS, as `outputs`; left_out: why a candidate could not be
    read, by id.
    """

    plan: Plan
    source: str
    images: np.ndarray
    chosen: np.ndarray
    outputs: np.ndarray
    seen: Seen
    features: dict[str, np.ndarray] = field(default_factory=dict)
    views: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def commitment(self) -> str:
        """SHA-256 over queries, seed and all that they follow from; to be published before anybody is asked."""
        parts = [
            digest_of(self.plan),
            str(self.plan.seed),
            array_digest(self.images),
            array_digest(self.chosen),
        ]
        parts += [
            array_digest(self.outputs),
            *(f"{array_digest(self.features[id])} {id}" for id in sorted(self.features)),
            *(f"{array_digest(self.views[name])} {name}" for name in sorted(self.views)),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def among(queries: QuerySet, answered: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> QuerySet:
    """The same queries with other candidates than those for which they were chosen.

    Args:
        answered: by id: log-probabilities [n, classes] of the queries, and features [n, d]; classes that a candidate
            lacks are as unlikely as can be. Views are kept where all of them were candidates before.
    """
    plan = replace(
        queries.plan, candidates={id: queries.plan.candidates.get(id, "") for id in answered}, unrelated={}
    )
    classes = max(answered[id][0].shape[1] for id in plan.ids)
    outputs = np.full((len(plan.ids), len(queries.images), classes), LEAST_LOG, dtype=np.float16)
    for place, id in enumerate(plan.ids):
        logs = answered[id][0]
        outputs[place, :, : logs.shape[1]] = np.maximum(logs, LEAST_LOG)
    features = {id: answered[id][1].astype(np.float16) for id in plan.ids}
    known = [id for id in plan.ids if id in queries.plan.ids]
    views = {}
    if known == plan.ids:
        places = [queries.plan.ids.index(id) for id in known]
        views = {name: values[places] for name, values in queries.views.items()}
    plan = replace(plan, classes=classes)
    return replace(queries, plan=plan, outputs=outputs, features=features, views=views)


def check_taken(image_size: object, channels: object, mean: object, std: object) -> None:
    """Refuses what does not say how networks take images.

    Raises:
        UserError: in one line that names what is wrong.
    """
    if type(image_size) is not int or image_size < 1:
        raise UserError(f"image size: expected a whole number of pixels, 1 at least, got {image_size!r}")
    if type(channels) is not int or channels not in (1, 3):
        raise UserError(f"channels: expected 1 or 3, got {channels!r}")
    if (mean is None) != (std is None):
        given, lacking = ("std", "mean") if mean is None else ("mean", "std")
        raise UserError(f"{given}: expected {lacking} with it; give both, or neither")
    for name, values in (("mean", mean), ("std", std)):
        if values is None:
            continue
        if not isinstance(values, Sequence | np.ndarray) or len(values) != channels:
            raise UserError(f"{name}: expected a number for each channel, {channels} in all, got {values!r}")
        if not all(isinstance(value, Real) and math.isfinite(value) for value in values):
            raise UserError(f"{name}: expected finite numbers, got {values!r}")
        if name == "std" and min(values) <= 0:
            raise UserError(f"std: expected numbers above 0, got {values!r}")


def digest_of(plan: Plan) -> str:
    """SHA-256 of a plan."""
    return hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode()).hexdigest()


def array_digest(values: np.ndarray) -> str:
    """SHA-256 of an array's shape, type and values."""
    head = f"{values.dtype.str} {values.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()
