"""What audits say of disguised children, beside what is true of them."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from disguise_cases import FITTING, ON_TOP, UNSEEN, Families, Measured, on_top, ways
from safetensors.numpy import save_file

from lineage.auditing.audit import Audit, Settings, audit_sources
from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.find import Source
from lineage.families.cases import tree
from lineage.families.cases.audited import within
from lineage.families.cases.changes import State, mixed
from lineage.families.fitting import fitted
from lineage.families.networks import network
from lineage.families.plan import RUN_OF
from lineage.families.tasks import task
from lineage.index.digest import DigestCache

WAYS_EACH = 3
CHANGED = "permute + rescale"
"""The disguise under a change on top."""
TRAINED_ON, TRAINED = "permute, then trained on", ("c.adamw", "c.momentum")
CHILDREN = ("c.adamw", "c.momentum", "c.decay", "c.same", "g.adamw", "c.long", "c.sgd", "g.light")
ANOTHER = 3
"""So much later stands the child that a family gets which has its turn again: never the one that it had."""
FRAMED, DECOYS = 0.1, ("c.adamw", "c.l2sp")
"""The share that is mixed into a child, and of which relative: the first that is neither it nor its parent."""
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
    with TemporaryDirectory() as scratch:
        for number, families, family, child in turns(folder, children):
            audits = Audits(families, family, child, Path(scratch))
            for how, change in plans_of(families.architecture, number):
                case = f"{how} + {change}" if change else how or "as it is"
                key = f"{families.architecture} {family} {child} {case}"
                found.append(rows.add(key, audits.of_disguised, how, change, case))
            if child in TRAINED:
                key = f"{families.architecture} {family} {child} {TRAINED_ON}"
                found.append(rows.add(key, audits.of_trained_on))
    return found


def turns(folder: Path, children: int) -> Iterator[tuple[int, Families, str, str]]:
    """Numbers of the children of each architecture, with a family and a child of it that have their turn."""
    grown = [Families(folder, architecture, UNSEEN) for architecture in FITTING]
    for number, families in itertools.product(range(children), grown):
        names = sorted(families.width)
        turn = number + ANOTHER * (number // len(names))
        yield number, families, names[number % len(names)], CHILDREN[turn % len(CHILDREN)]


def framed(folder: Path, rows: Measured, children: int) -> list[dict]:
    """Verdicts on the same children with a little of a sibling in them, disguised.

    Args:
        folder: of grown families; rows: measured before; children: of each architecture.
    """
    with TemporaryDirectory() as scratch:
        return [
            rows.add(
                f"{families.architecture} {family} {child}",
                Audits(families, family, child, Path(scratch)).of_framed,
            )
            for _, families, family, child in turns(folder, children)
        ]


class Audits:
    """Audits of one child of a family in different disguises; scratch: a folder for files and digests."""

    def __init__(self, families: Families, family: str, child: str, scratch: Path):
        self._families, self._family, self._child, self._scratch = families, family, child, scratch

    def of_disguised(self, how: str, change: str, case: str) -> dict:
        """A verdict on the child that was disguised, and changed as well."""
        families, of = self._families, f"{self._family}/{self._child}/{how}"
        real = families.state(self._family, self._child)
        state = families.in_disguise(real, of, how)
        if not change:
            return {"case": case} | self._verdict(state, lambda model: model, real)
        state = on_top(state, change)
        scales = families.in_disguise({name: np.ones_like(values) for name, values in real.items()}, of, how)
        real = {name: values / scales[name] for name, values in state.items()}
        return {"case": case} | self._verdict(state, self._in_order(of), real)

    def of_framed(self) -> dict:
        """What a verdict names on the child with FRAMED of a sibling in it, in the disguise CHANGED."""
        families, family = self._families, self._family
        decoy = next(model for model in DECOYS if model not in (self._child, tree.PARENT_OF[self._child]))
        state = mixed(families.state(family, self._child), families.state(family, decoy), FRAMED)
        hidden = families.in_disguise(state, f"{family}/{self._child}/framed", CHANGED)
        verdict = self._audited(hidden).verdict
        return {
            "architecture": families.architecture,
            "family": family,
            "found": bool(verdict.family),
            "decoy_named": verdict.parent == decoy,
            "parent_named": verdict.parent == tree.PARENT_OF[self._child],
        }

    def of_trained_on(self) -> dict:
        """A verdict on a child that learned what this one did, from the parent's neurons in another order."""
        families, run = self._families, RUN_OF[self._child]
        described = families.family[self._family]
        architecture = described.architecture
        learned = task(run.training.task, described)
        net = network(architecture, width=described.width, classes=learned.classes, seed=0)
        of, start = f"{self._family}/{self._child}/{TRAINED_ON}", net.state_dict()
        for name, values in self._in_order(of)(families.state(self._family, run.parent)).items():
            if start[name].shape == values.shape:
                start[name] = torch.from_numpy(values)
        net.load_state_dict(start)
        optimiser = run.training.optimiser or described.optimiser
        for _ in fitted(net, learned, run.training, architecture=architecture, optimiser=optimiser, seed=0):
            pass
        state = {name: values.numpy() for name, values in net.eval().state_dict().items() if values.ndim}
        return {"case": TRAINED_ON} | self._verdict(state, self._in_order(of), state)

    def _in_order(self, of: str) -> Callable[[State], State]:
        """Brings networks into the order of the child in a disguise that permutes first."""
        return lambda state: self._families.in_disguise(state, of, "permute")

    def _candidates(self) -> Iterator[Source]:
        """At least six: relatives, the network that learned the same images apart, and strangers' roots."""
        families, family = self._families, self._family
        for model in sorted({*CANDIDATES, tree.PARENT_OF[self._child], "scratch"} - {self._child}):
            yield Source(id=model, path=str(families.path(family, model)))
        for stranger in families.strangers(family)[:2]:
            yield Source(id=f"{stranger}/root", path=str(families.path(stranger, "root")))

    def _audited(self, state: State) -> Audit:
        path = self._scratch / "child.safetensors"
        save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
        cache = DigestCache(self._scratch / "digests")
        return audit_sources(str(path), list(self._candidates()), settings=Settings(), cache=cache)

    def _verdict(self, state: State, in_its_order: Callable[[State], State], real: State) -> dict:
        """What an audit says, and what is true of it.

        Args:
            state: the child's; real: the child in the scale of its family; in_its_order: brings another network of
                the family into the order of `real`.
        """
        audit, child = self._audited(state), self._child
        verdict = audit.verdict
        related = {found.id for found in self._candidates() if found.id in RUN_OF and found.id != "scratch"}
        named = verdict.parent if verdict.word in (Word.PARENT, Word.SAME) else None

        def branched(candidate: str | None) -> float | None:
            if candidate not in related:
                return None
            models = candidate, tree.common_ancestor(candidate, child)
            return within(
                *(in_its_order(self._families.state(self._family, model)) for model in models), real
            )

        return {
            "architecture": self._families.architecture,
            "family": self._family,
            "word": str(verdict.word),
            "as_is": str(audit.as_is.word),
            "found": bool(verdict.family),
            "strangers": len(set(verdict.family) - related),
            "closest": verdict.closest,
            "closest_right": verdict.closest in tree.closest(child, sorted(related)),
            "named": named,
            "parent": tree.PARENT_OF[child],
            "bound": verdict.bound,
            "closest_within": branched(verdict.closest),
            "named_within": branched(named),
        }
