"""The query set that follows from networks, images and a budget. K networks, N inputs of a pool, d features."""

from collections.abc import Callable, Sequence

import numpy as np

from lineage.asking.choosing.candidates import Candidate, Size
from lineage.asking.choosing.pool import Pool, pool_of
from lineage.asking.choosing.query_rules import RULE, choose
from lineage.asking.choosing.views import views_of
from lineage.asking.queryset import LEAST_LOG, Plan, QuerySet, Seen, array_digest
from lineage.data.images import Images
from lineage.errors import UserError


def chosen_for(
    possible: Sequence[Candidate],
    strangers: Sequence[Candidate],
    images: Images,
    source: str,
    *,
    budget: int,
    size: Size,
    say: Callable[[str], None] | None = None,
) -> QuerySet:
    """The query set that follows from networks, images and a budget.

    Raises:
        UserError: for networks of several label spaces, or ids that are given twice.
    """
    ids = [network.id for network in (*possible, *strangers)]
    if twice := [id for id in ids if ids.count(id) > 1]:
        raise UserError(f"candidate {twice[0]!r}: expected each id once; give one of the two another name")
    everyone = {network.id: network for network in (*possible, *strangers)}
    classes = everyone[ids[0]].answer(np.asarray(images.pixels[:1]))[0].shape[1]
    names = (
        images.class_names if len(images.class_names) == classes else [str(label) for label in range(classes)]
    )
    plan = Plan(
        rule=RULE,
        budget=budget,
        data=array_digest(np.asarray(images.pixels[:])),
        candidates={network.id: network.digest for network in possible},
        unrelated={network.id: network.digest for network in strangers},
        classes=classes,
        class_names=names,
        image_size=size.image_size,
        channels=size.channels,
        mean=size.mean,
        std=size.std,
    )
    pool, networks = pool_of(images, plan.seed), [everyone[id] for id in plan.ids]
    outputs, features = answered(networks, pool, classes, say)
    seen = seen_by(outputs, pool)
    chosen = choose(RULE, seen, budget, plan.seed)
    views = views_of(networks, pool.images, outputs, chosen, size=size, seed=plan.seed, say=say)
    return QuerySet(
        plan=plan, source=source, images=pool.images[chosen], chosen=chosen, outputs=outputs[:, chosen], seen=seen,
        features={id: values[chosen] for id, values in features.items()}, views=views,
    )  # fmt: skip


def seen_by(outputs: np.ndarray, pool: Pool) -> Seen:
    """What networks answer on a pool, from their log-probabilities [K, N, C]."""
    best = np.sort(outputs.astype(np.float32), axis=2)[:, :, -2:]
    return Seen(
        labels=outputs.argmax(2).astype(np.int16),
        margins=(best[:, :, 1] - best[:, :, 0]).astype(np.float16),
        classes=outputs.shape[2],
        truth=pool.labels,
        natural=pool.natural,
    )


def answered(
    networks: Sequence[Candidate], pool: Pool, classes: int, say: Callable[[str], None] | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What networks answer on a pool: log-probabilities float16 [K, N, classes], and features float16 [N, d]."""
    outputs, features = [], {}
    for number, network in enumerate(networks, start=1):
        logs, seen = network.answer(pool.images)
        if logs.shape[1] != classes:
            raise UserError(
                f"candidate {network.id!r}: expected {classes} classes, as {networks[0].id!r} has, but it has "
                f"{logs.shape[1]}; ask candidates of one label space at a time"
            )
        if not np.isfinite(logs).all():
            raise UserError(
                f"candidate {network.id!r}: expected finite answers, but some are not; check its weights, and mean "
                "and std"
            )
        outputs.append(np.maximum(logs, LEAST_LOG).astype(np.float16))
        if seen is not None:
            features[network.id] = _halved(seen, network.id)
        if say:
            say(f"{number} of {len(networks)} networks asked: {network.id}")
    return np.stack(outputs), features


def _halved(features: np.ndarray, id: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        found = features.astype(np.float16)
    if not np.isfinite(found).all():
        raise UserError(
            f"candidate {id!r}: expected features that 16 bits hold, below {np.finfo(np.float16).max:.0f}, but what "
            "its head sees is larger, or no number; check its weights, and mean and std"
        )
    return found
