"""From an experiment's scores and predictions to verdicts on test children, and results.

Methods are those of `lineage.results.methods`. Layer and alpha of each similarity are chosen on validation
children, anew for each seed's split.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD, some_candidates, with_count
from lineage.results.evaluation.absence import absence, margins
from lineage.results.evaluation.accuracy import summarised
from lineage.results.evaluation.named import named_absence, named_outcomes
from lineage.results.evaluation.verdicts import CHOICE, chosen, judged, verdicts
from lineage.results.methods import best_score, method_of
from lineage.storage.schemas import OUTCOMES
from lineage.types.evaluation import Ancestors, Evaluated

PAIR = ["child", "candidate"]
VERDICT = [*OUTCOMES.names[1:], "margin"]
"""Columns of verdicts."""


def learning_free_outcomes(
    scores: pd.DataFrame,
    parent_of: dict[str, str],
    parts: dict[str, str],
    seed: int,
    asked: dict[str, pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    """Verdicts of every learning-free method on the test children of one split.

    Args:
        scores: child, candidate, layer, similarity, approximation, alpha, score.
        parent_of: each child's parent.
        parts: each child's part.
        seed: of the split.
        asked: for each other condition than the standard one, the pairs: child, candidate.
    """
    for (similarity, approximation), of_method in scores.groupby(["similarity", "approximation"]):
        layer, alpha = chosen(of_method, parent_of, parts)
        picked = of_method[
            (of_method["layer"] == layer)
            & (of_method["alpha"] == alpha)
            & (of_method["child"].map(parts) == "test")
        ]
        method = method_of(similarity, approximation)
        conditions = {STANDARD: picked} | {
            condition: picked.merge(pairs) for condition, pairs in asked.items()
        }
        for condition, of_condition in conditions.items():
            verdict = verdicts(of_condition, parent_of, best_score(similarity))
            yield verdict.assign(method=method, condition=condition, seed=seed, layer=layer, alpha=alpha)


def alpha_curves(scores: pd.DataFrame, parent_of: dict[str, str]) -> Iterator[dict]:
    """Rows of CURVES of one setting, without its experiment and setting: what every alpha would have given."""
    keys = ["similarity", "approximation", *CHOICE]
    for key, of_choice in scores.groupby(keys):
        credit = judged(of_choice, parent_of).credit
        yield dict(zip(keys, key, strict=True)) | {"accuracy": credit.mean(), "n": len(credit)}


def detector_outcomes(
    predictions: pd.DataFrame, parent_of: dict[str, str], ancestors: dict[str, Ancestors]
) -> Iterator[pd.DataFrame]:
    """Verdicts of the lineage detectors on each seed's test children, where the parent is a candidate.

    Args:
        predictions: of one setting.
        parent_of: each child's parent.
        ancestors: by the condition under which an ancestor is asked for.
    """
    wanted = predictions[
        (predictions["part"] == "test")
        & (predictions["candidate"] != NO_PARENT)
        & ~predictions["condition"].isin([ABSENT, PRESENT])
    ]
    for (method, condition, seed), rows in wanted.groupby(["method", "condition", "seed"]):
        truth = ancestors[condition].parents if condition in ancestors else parent_of
        verdict = verdicts(rows.rename(columns={"logit": "score"})[[*PAIR, "score"]], truth)
        yield verdict.assign(method=method, condition=condition, seed=seed, layer=None, alpha=np.nan)


def evaluated(
    scores: pd.DataFrame, predictions: pd.DataFrame, named: pd.DataFrame, settings: dict[str, Evaluated]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Verdicts and results of all of an experiment's settings.

    Args:
        scores: the learning-free scores.
        predictions: the lineage detectors'.
        named: NAMED of `lineage.results.evaluation.named`: what audits, answers and the tree name, if there are any.
        settings: what is known of the models of each.

    Returns:
        Tables of OUTCOMES and of RESULTS, without their experiment.
    """
    outcomes, results = [], []
    for setting, models in settings.items():
        of_setting = scores[scores["setting"] == setting]
        predicted = predictions[predictions["setting"] == setting]
        of_named = named[named["setting"] == setting]
        frames = []
        for seed, parts in enumerate(models.splits):
            some = fewer_candidates(models, parts, seed)
            standard = of_setting[of_setting["candidate"].isin(models.candidates)]
            frames += learning_free_outcomes(standard, models.parents, parts, seed, some)
            for condition, among in models.ancestors.items():
                of_these = of_setting[of_setting["candidate"].isin(among.candidates)]
                found = learning_free_outcomes(of_these, among.parents, parts, seed, {})
                frames += (verdict.assign(condition=condition) for verdict in found)
        frames += detector_outcomes(predicted, models.parents, models.ancestors)
        frames += named_outcomes(of_named, models)
        verdict = pd.concat(frames).reset_index().assign(setting=setting)
        outcomes.append(verdict)
        names = zip(of_setting["similarity"], of_setting["approximation"], strict=True)
        leads = margins(
            of_setting.assign(method=[method_of(*name) for name in names]),
            verdict[verdict["condition"] == STANDARD],
            models,
        )
        told = (*absence(predicted), *absence(leads), *named_absence(of_named, models))
        results += [{"setting": setting} | row for row in (*summarised(verdict), *told)]
    return pd.concat(outcomes) if outcomes else pd.DataFrame(columns=VERDICT), pd.DataFrame(results)


def fewer_candidates(models: Evaluated, parts: dict[str, str], seed: int) -> dict[str, pd.DataFrame]:
    """For each count of candidates, the pairs (child, candidate) of the test children."""
    tested = sorted(child for child, part in parts.items() if part == "test")
    return {
        with_count(count): pd.DataFrame(
            [
                (child, candidate)
                for child in tested
                for candidate in some_candidates(
                    child,
                    models.parents[child],
                    [candidate for candidate in models.candidates if candidate != child],
                    count=count,
                    seed=seed,
                )
            ],
            columns=PAIR,
        )
        for count in models.counts
    }
