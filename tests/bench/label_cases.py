"""A suspect of the bench of labels, and the candidates and queries that it is asked with."""

from dataclasses import dataclass

import numpy as np

from lineage.asking.answers import Answers, Kind
from lineage.asking.choosing.choose import seen_by
from lineage.asking.choosing.pool import Pool
from lineage.asking.choosing.query_rules import RULE, choose
from lineage.asking.methods import evidence
from lineage.asking.queryset import VIEWS, Plan, QuerySet
from lineage.asking.verdict import together


@dataclass(frozen=True)
class Suspect:
    """A network that is asked: its log-probabilities on the whole pool [N, C], and what share it gets right."""

    name: str
    root: str
    condition: str
    outputs: np.ndarray
    accuracy: float


class Case:
    """Candidates by sorted ids, and the queries that were chosen for them."""

    def __init__(self, ids: list[str], stored: dict[str, np.ndarray], inputs: Pool, budget: int, seed: int):
        outputs = np.stack([stored[f"{id}|{id}|root"] for id in ids]).astype(np.float16)
        self.seen = seen_by(outputs, inputs)
        plan = Plan(
            rule=RULE, budget=budget, data=str(seed), candidates={id: id for id in ids}, unrelated={},
            classes=outputs.shape[2], class_names=[], image_size=inputs.images.shape[1], channels=1,
            mean=None, std=None,
        )  # fmt: skip
        chosen = choose(RULE, self.seen, budget, plan.seed)
        features = {id: stored[f"features|{id}"][chosen] for id in ids}
        self.queries = QuerySet(
            plan=plan, source="", images=inputs.images[chosen], chosen=chosen, outputs=outputs[:, chosen],
            seen=self.seen, features=features,
            views={name: np.stack([stored[f"{name}|{id}"][chosen] for id in ids]) for name in VIEWS},
        )  # fmt: skip
        self._truth = inputs.labels[chosen]

    def scores(self, suspect: Suspect, kind: Kind) -> np.ndarray:
        """What each candidate explains of the suspect's answers."""
        return together(evidence(self.answers(suspect, kind), self.queries))

    def answers(self, suspect: Suspect, kind: Kind) -> Answers:
        logs = suspect.outputs[self.queries.chosen]
        values = logs.argmax(1) if kind == Kind.LABELS else np.round(np.exp(logs.astype(np.float64)), 4)
        return Answers(
            kind=kind, values=values, rows=np.arange(len(logs)), own_labels="new head" in suspect.condition
        )

    def baseline(self, suspect: Suspect) -> np.ndarray:
        """The share of the inputs that a candidate misclassifies to which the suspect gives the same label."""
        labels, said = suspect.outputs[self.queries.chosen].argmax(1), self.queries.outputs.argmax(2)
        is_wrong = said != self._truth
        return np.array(
            [
                float((labels == given)[wrong].mean()) if wrong.any() else 0.0
                for given, wrong in zip(said, is_wrong, strict=True)
            ]
        )
