"""Trees in NumPy against scikit-learn's own predictions."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from lineage.families.direction import exported
from lineage.relation.direction.trees import Trees


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", [HistGradientBoostingRegressor, HistGradientBoostingClassifier])
def test_exported_trees_predict_what_scikit_learn_predicts(kind, missing):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(400, 5))
    answers = rows[:, 0] * rows[:, 1] + np.nan_to_num(rows[:, 2])
    if missing:
        rows[generator.random(rows.shape) < 0.2] = np.nan
    answers = answers if kind is HistGradientBoostingRegressor else answers > 0
    fit = kind(max_iter=20, random_state=0).fit(rows, answers)
    expected = fit.predict(rows) if kind is HistGradientBoostingRegressor else fit.decision_function(rows)
    trees = exported(fit)
    np.testing.assert_allclose(trees(rows), expected, atol=1e-9)
    again = Trees.of_arrays(trees.arrays("a."), "a.")
    np.testing.assert_array_equal(again(rows), trees(rows))
