"""The columns of every Parquet table, and the order of its rows."""

import pyarrow as pa

MODELS = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("model", pa.string()),
        ("parent", pa.string()),
        ("generation", pa.int32()),
        ("index", pa.int32()),
        ("seed", pa.int64()),
        ("learning_rate", pa.float64()),
        ("epochs", pa.int32()),
        ("images", pa.int32()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
    ]
)
"""One row a trained model; loss and accuracy of its last epoch of training."""

SCORES = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("child", pa.string()),
        ("candidate", pa.string()),
        ("layer", pa.string()),
        ("similarity", pa.string()),
        ("approximation", pa.string()),
        ("alpha", pa.float64()),
        ("score", pa.float64()),
    ]
)
"""One row a score of a pair; `direct` and the weight similarities have alpha 0."""

PREDICTIONS = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("part", pa.string()),
        ("condition", pa.string()),
        ("child", pa.string()),
        ("candidate", pa.string()),
        ("logit", pa.float64()),
        ("probability", pa.float64()),
    ]
)
"""One row a candidate of a validation or test child under a condition, by one lineage detector."""

HISTORY = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("epoch", pa.int32()),
        ("learning_rate", pa.float64()),
        ("loss", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_accuracy", pa.float64()),
    ]
)
"""One row an epoch of a lineage detector's training."""

OUTCOMES = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("condition", pa.string()),
        ("seed", pa.int32()),
        ("child", pa.string()),
        ("candidates", pa.int32()),
        ("parent", pa.string()),
        ("predicted", pa.string()),
        ("tied", pa.int32()),
        ("overshoot", pa.int32()),
        ("credit", pa.float64()),
        ("layer", pa.string()),
        ("alpha", pa.float64()),
    ]
)
"""One row a verdict on a test child; credit is 1 if right, 1/k if the parent is among k tied candidates."""

AUDITS = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("condition", pa.string()),
        ("child", pa.string()),
        ("candidates", pa.int32()),
        ("verdict", pa.string()),
        ("closest", pa.string()),
        ("parent", pa.string()),
    ]
)
"""One row an audit of a child under a condition: its verdict, the closest candidate and the parent, if any."""

PARENTS = pa.schema(
    [
        ("experiment", pa.string()),
        ("child", pa.string()),
        ("parent", pa.string()),
        ("probability", pa.float64()),
    ]
)
"""One row a model whose parent the family tree names, and how probable that edge is."""

ANSWERED = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("condition", pa.string()),
        ("child", pa.string()),
        ("given", pa.string()),
        ("own_labels", pa.bool_()),
        ("candidates", pa.int32()),
        ("verdict", pa.string()),
        ("closest", pa.string()),
        ("family", pa.string()),
    ]
)
"""One row a child that was asked under a condition, and what it gave, `labels` or `probabilities`: the candidate that
explains its answers best, and the one of those that stand out, if any."""

EDGES = pa.schema(
    [
        ("experiment", pa.string()),
        ("method", pa.string()),
        ("child", pa.string()),
        ("generation", pa.int32()),
        ("predicted", pa.string()),
        ("parent", pa.string()),
        ("margin", pa.float64()),
    ]
)
"""The lineage network by every method: one row a child with its predicted and its true parent."""

RESULTS = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("condition", pa.string()),
        ("seed", pa.int32()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int32()),
    ]
)
"""The tidy table of results: one row a number; seed is null where all seeds are pooled."""

BLOCK_SCORES = pa.schema([*SCORES, ("source", pa.string())])
"""One row a score of a block of a hybrid, named by the layer that ends it, against a candidate's; and its source."""

BLOCK_SOURCES = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("child", pa.string()),
        ("layer", pa.string()),
        ("candidates", pa.int32()),
        ("source", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float64()),
        ("source_probability", pa.float64()),
        ("tied", pa.int32()),
        ("overshoot", pa.int32()),
        ("credit", pa.float64()),
        ("alpha", pa.float64()),
        ("temperature", pa.float64()),
    ]
)
"""One row a verdict on a block of a test child; probability is that of the predicted candidate (of each tied one)."""

CURVES = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("similarity", pa.string()),
        ("approximation", pa.string()),
        ("layer", pa.string()),
        ("alpha", pa.float64()),
        ("accuracy", pa.float64()),
        ("n", pa.int32()),
    ]
)
"""Accuracy over all n children at every layer and alpha; to look at, never to choose by."""

PUBLISHED = pa.schema(
    [
        ("ancestor", pa.string()),
        ("descendant", pa.string()),
        ("method", pa.string()),
        ("mean", pa.float64()),
        ("std", pa.float64()),
    ]
)
"""Accuracy in per cent from Yu & Wang 2024, poster, Tab. 1 (ResNet18, ImageNet root)."""

PAIRS = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("child", pa.string()),
        ("parent", pa.string()),
        ("candidate", pa.string()),
        ("score", pa.float64()),
    ]
)
"""One row a pair of some test children of the first seed, at the layer and alpha chosen on validation children."""

CALIBRATION = pa.schema(
    [
        ("experiment", pa.string()),
        ("setting", pa.string()),
        ("method", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("probability", pa.float64()),
        ("right", pa.float64()),
        ("n", pa.int32()),
    ]
)
"""One row a bin of the answers' probabilities: their mean, and the share of answers that are right."""

STAGES = pa.schema(
    [
        ("experiment", pa.string()),
        ("stage", pa.string()),
        ("jobs", pa.int32()),
        ("importing", pa.float64()),
        ("computing", pa.float64()),
        ("memory", pa.float64()),
        ("asked", pa.float64()),
    ]
)
"""One row a rule: seconds of all its jobs, the most resident MB of one of them, and the most MB asked for."""

P_VALUES = pa.schema(
    [
        ("experiment", pa.string()),
        ("child", pa.string()),
        ("candidate", pa.string()),
        ("parent", pa.string()),
        ("z", pa.float64()),
        ("log10_p", pa.float64()),
        ("relation", pa.string()),
        ("probability", pa.float64()),
        ("bound", pa.float64()),
    ]
)
"""One row a network and candidate: what an audit says of the pair; `parent` is the network's, null for a root. The
last three columns are null where the two are not related."""

RUN = pa.schema([("experiment", pa.string()), ("what", pa.string()), ("value", pa.string())])
"""Where an experiment's results come from: configuration digest, date, device, versions."""
