"""`lineage.ask` and `lineage.answer`: queries for the candidates at hand, and what a suspect's answers say."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lineage.asking.answer_files import read_answers
from lineage.asking.answers import Answers, of_function
from lineage.asking.checking import check_follows, differences
from lineage.asking.choosing.candidates import Candidate, Size, from_files, from_functions
from lineage.asking.choosing.choose import chosen_for
from lineage.asking.choosing.pool import images_of
from lineage.asking.choosing.query_rules import BUDGETS
from lineage.asking.files import check_free, read_query_set, write_query_set
from lineage.asking.queryset import QuerySet, check_taken
from lineage.asking.verdict import NOMINAL, Finding, decide
from lineage.errors import UserError

OnePath = str | os.PathLike[str]
Networks = OnePath | Sequence[OnePath] | Mapping[str, object]
"""Files as `lineage.audit` takes them, or networks of torch and functions by id."""
TOLD_APART_BY = 16
"""Images that functions are told apart by."""


def ask(
    candidates: Networks,
    data: OnePath,
    *,
    unrelated: Networks | None = None,
    budget: int = 300,
    arch: str = "",
    image_size: int = 224,
    channels: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    out: OnePath | None = None,
    say: Callable[[str], None] | None = None,
) -> QuerySet:
    """Chooses queries for candidates, and commits to them before a suspect is asked.

    Args:
        candidates: possible parents of one label space: files, of which those that cannot be read are left out, or
            `{id: network}`, each a torch.nn.Module, or a function that takes images uint8 [n, H, W, C] and gives
            probabilities or logits [n, classes].
        data: a folder of images, with or without a folder a class, a Parquet file, or `noise`.
        unrelated: networks for the same task that are known to be unrelated, likewise; with few candidates needed.
        budget: how many queries: 100, 200, 300 or 500.
        arch: the files' architecture, as `fc` or `timm:resnet18`.
        image_size: pixels; channels: 1 or 3; mean, std: of each channel of pixels in [0, 1], to normalise by.
        out: a folder for the query set.
        say: takes lines of progress.

    Returns:
        The query set; `images` are what to ask, `commitment` is what to publish before.

    Raises:
        UserError: for input that cannot be used, or a folder that holds a query set already.
    """
    if budget not in BUDGETS:
        raise UserError(f"budget: expected one of {', '.join(map(str, BUDGETS))} queries, got {budget}")
    check_taken(image_size, channels, mean, std)
    size = Size(
        image_size=image_size,
        channels=channels,
        mean=None if mean is None else [float(value) for value in mean],
        std=None if std is None else [float(value) for value in std],
    )
    if out is not None:
        check_free(Path(out))
    queries = _chosen(candidates, unrelated, data, arch, size, budget, say)
    if out is not None:
        write_query_set(queries, Path(out))
    return queries


def answer(
    queries: QuerySet | OnePath,
    answers: OnePath | Callable[[np.ndarray], object] | Sequence[object] | np.ndarray,
    *,
    alpha: float = 0.01,
    own_labels: bool = False,
    commitment: str = "",
) -> Finding:
    """Says which candidates a suspect's answers come from. Needs no torch.

    Args:
        queries: what `ask` gave, or its folder.
        answers: a CSV or NPZ file, labels [n], probabilities [n, classes], or a function that takes images
            uint8 [n, H, W, C] and gives one of these.
        alpha: how often a network of no candidate's family may get one: 0.01 or 0.05.
        own_labels: whether the suspect's labels are others than the candidates', although they look alike.
        commitment: what was published before the suspect was asked.

    Raises:
        UserError: for answers that cannot be used, or a query set that does not follow from its own manifest.
    """
    if alpha not in NOMINAL:
        raise UserError(f"alpha: expected one of {', '.join(map(str, NOMINAL))}, got {alpha}")
    if isinstance(queries, QuerySet):
        held, stated = queries, queries.commitment
    else:
        held, stated = read_query_set(Path(queries))
    check_follows(held, stated, commitment)
    return decide(_answers(answers, held, own_labels), held, alpha=alpha)


def verify(
    folder: OnePath,
    candidates: Networks,
    data: OnePath,
    *,
    unrelated: Networks | None = None,
    arch: str = "",
    say: Callable[[str], None] | None = None,
) -> list[str]:
    """Chooses a folder's queries again from its candidates and data, and says in words what differs.

    Args:
        folder: of the query set; the others as in `ask`.

    Raises:
        UserError: for input that cannot be used, or a query set that does not follow from its own manifest.
    """
    held, stated = read_query_set(Path(folder))
    check_follows(held, stated)
    plan = held.plan
    size = Size(image_size=plan.image_size, channels=plan.channels, mean=plan.mean, std=plan.std)
    return differences(held, _chosen(candidates, unrelated, data, arch, size, plan.budget, say))


def _chosen(
    candidates: Networks,
    unrelated: Networks | None,
    data: OnePath,
    arch: str,
    size: Size,
    budget: int,
    say: Callable[[str], None] | None,
) -> QuerySet:
    images = images_of(os.fspath(data), size=size.image_size, channels=size.channels)
    first = np.asarray(images.pixels[:TOLD_APART_BY])
    possible, left_out = _networks(candidates, arch, size, "candidate", first)
    strangers = []
    if unrelated is not None:
        strangers, more = _networks(unrelated, arch, size, "unrelated", first)
        left_out |= more
    for reason in left_out.values() if say else ():
        say(f"left out: {reason}")
    queries = chosen_for(possible, strangers, images, str(data), budget=budget, size=size, say=say)
    return replace(queries, left_out=left_out)


def _networks(
    given: Networks, arch: str, size: Size, role: str, images: np.ndarray
) -> tuple[list[Candidate], dict[str, str]]:
    """Networks, and why others of them are left out, by id."""
    if isinstance(given, Mapping):
        return from_functions(given, images, size), {}
    paths = [given] if isinstance(given, str | os.PathLike) else list(given)
    return from_files([os.fspath(path) for path in paths], arch, size, role)


def _answers(given: object, queries: QuerySet, own_labels: bool) -> Answers:
    count, names = len(queries.images), queries.plan.class_names
    if isinstance(given, str | os.PathLike):
        return read_answers(Path(given), count, names, own_labels=own_labels)
    values = given(queries.images) if callable(given) else given
    return of_function(values, count, len(names), own_labels=own_labels)
