"""What a trained mixed detector answers for the children of all settings, under every condition."""

from collections.abc import Iterator

from lineage.detector.geometry import Geometry
from lineage.detector.mixed_episodes import Lines
from lineage.detector.mixed_model import MixedNetwork
from lineage.detector.mixed_training import mixed_logits
from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, asked_of
from lineage.types.evaluation import MixedModels


def mixed_predictions(
    detector: MixedNetwork, geometry: Geometry, lines: Lines, models: MixedModels, seed: int
) -> Iterator[dict]:
    """Rows setting, part, child, condition, candidate, logit, probability of validation and test children.

    Whether the parent is absent is not asked where a grandparent stays among the candidates, for it is an answer.
    """
    for setting, of_setting in models.settings.items():
        for child, parent in of_setting.parents.items():
            if of_setting.parts[child] == "train":
                continue
            conditions = asked_of(
                child, parent, of_setting.candidates, counts=of_setting.counts, seed=seed
            ) | {name: list(candidates) for name, candidates in of_setting.ancestors.items()}
            if set(conditions[ABSENT]).intersection(lines.ancestors(child)):
                conditions = {
                    name: candidates
                    for name, candidates in conditions.items()
                    if name not in (ABSENT, PRESENT)
                }
            for condition, candidates in conditions.items():
                candidates = [candidate for candidate in candidates if candidate != child]
                logits = mixed_logits(detector, geometry, child, candidates)
                answers = zip(
                    [*candidates, NO_PARENT],
                    logits.tolist(),
                    logits.double().softmax(0).tolist(),
                    strict=True,
                )
                for answer, logit, probability in answers:
                    yield {
                        "setting": setting,
                        "part": of_setting.parts[child],
                        "child": child,
                        "condition": condition,
                        "candidate": answer,
                        "logit": logit,
                        "probability": probability,
                    }
