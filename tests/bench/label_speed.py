"""What choosing queries and answering cost, on a budget of 500 and 20 candidates: for the bench of labels.

python tests/bench/label_speed.py
"""

import time
from dataclasses import replace

import numpy as np
import torch

from lineage.asking.answers import Answers, Kind
from lineage.asking.run import ask
from lineage.asking.verdict import decide

CANDIDATES, TIMED, MOST = 20, 2, 500
"""Candidates, how many of them are timed, and queries."""


def speed() -> list[dict]:
    """Seconds of the processor: 500 queries for 20 ResNet18 at 32 px, ten times those for 2; and an answer."""
    from lineage.networks.architectures import build

    size = {"classes": 10, "channels": 3, "image_size": 32}
    networks = {f"p{number}": build("timm:resnet18", seed=number, **size) for number in range(TIMED)}
    start = time.process_time()
    queries = ask(networks, "noise", budget=MOST, image_size=32, channels=3)
    choosing = CANDIDATES // TIMED * (time.process_time() - start)
    ids = [f"p{number}" for number in range(CANDIDATES)]
    random = np.random.default_rng(0)

    def of_all(values: np.ndarray) -> np.ndarray:
        values = np.tile(values, (CANDIDATES // TIMED, 1, 1))
        return (values + 0.1 * random.normal(size=values.shape)).astype(np.float16)

    features = {id: queries.features[f"p{number % TIMED}"] for number, id in enumerate(ids)}
    whole = replace(
        queries,
        plan=replace(queries.plan, candidates=dict.fromkeys(ids, "")),
        outputs=of_all(queries.outputs),
        features=features,
        views={name: of_all(values) for name, values in queries.views.items()},
    )
    given = Answers(
        kind=Kind.LABELS, values=whole.outputs[3].argmax(1), rows=np.arange(MOST), own_labels=False
    )
    found = [{"what": "choosing 500 queries for 20 ResNet18 at 32 px", "seconds": choosing, "most": 600}]
    for what, own_labels in (("same labels", False), ("other labels", True)):
        start = time.process_time()
        decide(replace(given, own_labels=own_labels), whole, alpha=0.01)
        found.append({"what": f"answering, {what}", "seconds": time.process_time() - start, "most": 5})
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in speed():
        print(f"{line['what']}: {line['seconds']:.1f} s of the processor, at most {line['most']} wanted")
