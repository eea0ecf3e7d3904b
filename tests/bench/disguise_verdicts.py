"""What audits say of disguised children, beside what is true of them."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from disguise_cases import FITTING, ON_TOP, Families, Measured, on_top, ways
from safetensors.numpy import save_file

from lineage.auditing.audit import Settings, audit_sources
from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.find import Source
from lineage.families.cases import tree
from lineage.families.cases.audited import within
from lineage.families.cases.changes import State
from lineage.families.fitting import fitted
from lineage.families.networks import network
from lineage.families.plan import RUN_OF, Family
from lineage.families.tasks import task
from lineage.index.digest import DigestCache

REPORTED = (3, 4)
"""Numbers of the families that verdicts are on: what aligns was chosen on the others."""
WAYS_EACH = 3
CHANGED = "permute + rescale"
"""The disguise under a change on top."""
TRAINED_ON, TRAINED = "permute, then trained on", ("c.adamw", "c.momentum")
CHILDREN = ("c.adamw", "c.momentum", "c.decay", "c.same", "g.adamw", "c.long", "c.sgd", "g.light")
CANDIDATES = ("root", "c.light", "c.lora", "c.l2sp", "c.adamw", "init")


def plans_of(architecture: str, number: int) -> list[tuple[str, str]]:
    """What is done to the child of a number: nothing, some disguises in turn, and a change on top of one."""
    hows = ways(architecture)
    turn = [hows[(WAYS_EACH * number + place) % len(hows)] for place in range(WAYS_EACH)]
    return [("", ""), *((how, "") for how in turn), (CHANGED, ON_TOP[number % len(ON_TOP)])]


def cases(folder: Path, rows: Measured, children: int) -> list[dict]:
    """Verdicts on disguised children, with their parent, siblings and strangers among the candidates.

    Args:
        folder: of grown families; rows: measured before; children: of each architecture.
    """
    found = []
    grown = [Families(folder, architecture, REPORTED) for architecture in FITTING]
    for number, families in itertools.product(range(children), grown):
        names = sorted(families.width)
        family = names[number % len(names)]
        child = CHILDREN[(number + number // len(names)) % len(CHILDREN)]
        for how, change in plans_of(families.architecture, number):
            case = f"{how} + {change}" if change else how or "as it is"
            key = f"{families.architecture} {family} {child} {case}"
            found.append(rows.add(key, audited, families, family, child, how, change, case))
        if child in TRAINED:
            key = f"{families.architecture} {family} {child} {TRAINED_ON}"
            found.append(rows.add(key, trained_on, families, family, child))
    return found


def audited(families: Families, family: str, child: str, how: str, change: str, case: str) -> dict:
    """A verdict on a child that was disguised, and changed as well."""
    of = f"{family}/{child}/{how}"
    state, real = families.disguised(family, child, how), families.state(family, child)
    if not change:
        return {"case": case} | verdict_of(families, family, child, state, lambda model: model, real)
    state = on_top(state, change)
    ones = {name: np.ones_like(values) for name, values in real.items()}
    scales = families.in_disguise(ones, of, how)
    real = {name: values / scales[name] for name, values in state.items()}

    def in_its_order(model: State) -> State:
        return families.in_disguise(model, of, how.split(" + ")[0])

    return {"case": case} | verdict_of(families, family, child, state, in_its_order, real)


def trained_on(families: Families, family: str, child: str) -> dict:
    """A verdict on a child that learned what another did, from the parent's neurons in another order."""
    run, (architecture, optimiser, seed) = RUN_OF[child], family.rsplit("-", 2)
    described = Family(
        architecture=architecture,
        optimiser=optimiser,
        seed=int(seed),
        width=families.width[family],
        epoch_steps=families.epoch_steps(family),
    )
    learned = task(run.training.task, described)
    net = network(architecture, width=described.width, classes=learned.classes, seed=0)
    parent, of = families.state(family, run.parent), f"{family}/{child}/{TRAINED_ON}"
    start = net.state_dict()
    for name, values in families.in_disguise(parent, of, "permute").items():
        if start[name].shape == values.shape:
            start[name] = torch.from_numpy(values)
    net.load_state_dict(start)
    optimiser = run.training.optimiser or optimiser
    for _ in fitted(net, learned, run.training, architecture=architecture, optimiser=optimiser, seed=0):
        pass
    state = {name: values.numpy() for name, values in net.eval().state_dict().items() if values.ndim}

    def in_its_order(model: State) -> State:
        return families.in_disguise(model, of, "permute")

    return {"case": TRAINED_ON} | verdict_of(families, family, child, state, in_its_order, state)


def candidates(families: Families, family: str, child: str) -> Iterator[Source]:
    """At least six: relatives, the network that learned the same images apart, and strangers' roots."""
    own = {*CANDIDATES, tree.PARENT_OF[child], "scratch"} - {child}
    for model in sorted(own):
        yield Source(id=model, path=str(families.path(family, model)))
    for stranger in families.strangers(family)[:2]:
        yield Source(id=f"{stranger}/root", path=str(families.path(stranger, "root")))


def verdict_of(
    families: Families,
    family: str,
    child: str,
    state: State,
    in_its_order: Callable[[State], State],
    real: State,
) -> dict:
    """What an audit says, and what is true of it.

    Args:
        state: the child's; real: the child in the scale of its family; in_its_order: brings another network of the
            family into the order of `real`.
    """
    sources = list(candidates(families, family, child))
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "child.safetensors")
        save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
        cache = DigestCache(Path(scratch, "digests"))
        audit = audit_sources(str(path), sources, settings=Settings(), cache=cache)
    verdict, parent = audit.verdict, tree.PARENT_OF[child]
    related = {source.id for source in sources if source.id in RUN_OF and source.id != "scratch"}
    named = verdict.parent if verdict.word in (Word.PARENT, Word.SAME) else None

    def branched(candidate: str | None) -> float | None:
        if candidate not in related:
            return None
        shared = tree.common_ancestor(candidate, child)
        return within(*(in_its_order(families.state(family, model)) for model in (candidate, shared)), real)

    return {
        "architecture": families.architecture,
        "family": family,
        "word": str(verdict.word),
        "as_is": str(audit.as_is.word),
        "found": bool(verdict.family),
        "strangers": len(set(verdict.family) - related),
        "closest": verdict.closest,
        "closest_right": verdict.closest in tree.closest(child, sorted(related)),
        "named": named,
        "parent": parent,
        "bound": verdict.bound,
        "closest_within": branched(verdict.closest),
        "named_within": branched(named),
    }
