"""What the page says of the paper's claims, on results made by hand."""

import pandas as pd

from lineage.results.claims import claims_table

FALLS = "accuracy falls with the generation gap"


def test_equal_accuracies_do_not_fall_whatever_seeds_they_are_the_mean_of():
    accuracies = {"l1/direct": ([0.8], [0.8], [0.6]), "cka/direct": ([0.1, 0.2, 0.3], [0.4], [0.2])}
    accuracies |= {method: ([1.0], [1.0], [1.0]) for method in ("l1/path", "detector")}
    conditions = ("all candidates", "ancestor in roots", "ancestor in roots")
    results = pd.DataFrame(
        {
            "experiment": "fc-generations",
            "setting": setting,
            "condition": condition,
            "method": method,
            "metric": "accuracy",
            "value": value,
        }
        for method, generations in accuracies.items()
        for setting, condition, values in zip(("g2", "g3", "g4"), conditions, generations, strict=True)
        for value in values
    )
    seen = claims_table(results).set_index("the paper says").loc[FALLS]
    assert "cka/direct 20.0 → 40.0 → 20.0" in seen["we measured"]
    assert seen["seen"] == "mostly"
