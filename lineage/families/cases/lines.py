"""The cases of a family: a child, its candidates, and what is true of them. No torch.

A case belongs to a line of the table of results. Of the many that a family could give to one, a few are drawn from
the family's seed. Roots of other families of the same architecture and width are among all candidates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lineage.families.cases import tree
from lineage.families.plan import INIT, ROOT, Family

FIXED = ("stft", "dft", "gabor", "dirac", "identity", "pca", "dlinear", "constants")
"""Weights that are alike in networks of no relation; `lineage.families.cases.changes` says what they are."""
COPIES = ("pruned", "int8", "half")
PLAIN = ("c.sgd", "c.momentum", "c.adamw", "c.same", "c.head", "c.light", "c.lora", "c.l2sp", "c.decay")
"""Recipes that people use."""
SHARES = (5, 10, 20)
"""Per cent of another network that a child is framed by."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A network of a family, as it is or changed.

    change: a kind of `lineage.families.cases.changes`, or none; decoy: the network that is mixed in; share: how much
    of it, in per cent.
    """

    family: str
    model: str
    change: str = ""
    share: int = 0
    decoy: "Member | None" = None

    @property
    def id(self) -> str:
        """Unique in a case."""
        return f"{self.family}/{self.model}{'+' if self.change else ''}{self.change}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question with a known answer.

    line: of the table; parent: the true one, if it is a candidate; never: ids that must not be named as the parent;
    claimed: the true parent's id, where a claim is put forward.
    """

    line: str
    child: Member
    candidates: Sequence[Member]
    parent: str | None = None
    never: Sequence[str] = ()
    claimed: str = ""


Line = Callable[[Family, Sequence[Family]], Iterator[Case]]


def cases_of(
    family: Family, alike: Sequence[Family], each: int, lines: Sequence[Line] | None = None
) -> list[Case]:
    """Some cases of every line.

    Args:
        family: which; alike: others of its architecture and width.
        each: how many of a line, where it has more.
        lines: which, by default all.
    """
    found = []
    for line in LINES if lines is None else lines:
        options, seed = list(line(family, alike)), family.seed_for(f"cases of {line.__name__}")
        found += options if line in WHOLE else some_of(options, each, seed)
    return found


def some_of(options: Sequence[Case], each: int | None, seed: int) -> list[Case]:
    """So many of some cases, drawn, in their order; None takes all."""
    chosen = np.random.default_rng(seed).permutation(len(options))[:each]
    return [options[number] for number in sorted(chosen)]


def cases_by_family(
    families: Sequence[Family], each: int, lines: Sequence[Line] | None = None
) -> Iterator[tuple[Family, list[Case]]]:
    """Each of some families that are alike, and its cases beside the others; see `cases_of`."""
    for family in families:
        alike = [stranger for stranger in families if stranger.id != family.id]
        yield family, cases_of(family, alike, each, lines)


def _members(family: Family, models: Sequence[str]) -> list[Member]:
    return [Member(family=family.id, model=model) for model in models]


def _roots(alike: Sequence[Family]) -> list[Member]:
    return [Member(family=stranger.id, model=ROOT) for stranger in alike]


def _case(
    line: str, family: Family, child: str, models: Sequence[str], roots: Sequence[Family], **more
) -> Case:
    """A case within one family, beside roots of others."""
    parent = tree.PARENT_OF[child]
    return Case(
        line=line,
        child=Member(family=family.id, model=child),
        candidates=[*_members(family, models), *_roots(roots)],
        **{"parent": f"{family.id}/{parent}" if parent in models else None} | more,
    )


def parent_and_roots(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """The parent and strangers."""
    for child in [*tree.CHILDREN, *tree.GRANDCHILDREN]:
        yield _case("parent and roots", family, child, [tree.PARENT_OF[child]], alike)


def parent_roots_and_siblings(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """The parent, strangers and ten siblings."""
    for child in tree.CHILDREN:
        siblings = [name for name in tree.CHILDREN if name != child]
        yield _case("parent, roots and siblings", family, child, [ROOT, *siblings], alike)


def siblings_only(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Ten siblings, or one alone."""
    for child in tree.CHILDREN:
        siblings = [name for name in tree.CHILDREN if name != child]
        yield _case("siblings only", family, child, siblings, alike)
    draw = np.random.default_rng(family.seed_for("lone siblings"))
    for child in tree.CHILDREN:
        sibling = str(draw.choice([name for name in tree.CHILDREN if name != child]))
        yield _case("siblings only", family, child, [sibling], alike)


def near_siblings_only(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Siblings that stayed near the parent: by LoRA and L2-SP."""
    for child in tree.CHILDREN:
        siblings = [name for name in ("c.lora", "c.l2sp") if name != child]
        yield _case("LoRA and L2-SP siblings only", family, child, siblings, alike)


def initialisation_only(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Networks from the same initialisation, on other tasks."""
    for child in [ROOT, *tree.OTHER_TASKS, *tree.CHILDREN]:
        models = [name for name in (ROOT, *tree.OTHER_TASKS) if name not in tree.line_of_descent(child)]
        yield _case("same initialisation only", family, child, models, alike)


def grandchild(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """A grandchild with its parent, its parent's siblings and its grandparent."""
    for child in tree.GRANDCHILDREN:
        models = [name for name in (ROOT, *tree.CHILDREN, *tree.GRANDCHILDREN) if name != child]
        models = [name for name in models if name not in tree.descendants(child)]
        yield _case("grandchild, all present", family, child, models, alike)


def grandchild_without_parent(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """The same without its parent."""
    for child in tree.GRANDCHILDREN:
        out = {child, tree.PARENT_OF[child], *tree.descendants(child)}
        models = [name for name in (ROOT, *tree.CHILDREN, *tree.GRANDCHILDREN) if name not in out]
        yield _case("grandchild, parent missing", family, child, models, alike)


def training_line(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """An epoch of a run, among the others."""
    for place in range(1, len(tree.LINE) - 1):
        models = [*tree.LINE[:place], *tree.LINE[place + 1 :]]
        later = [f"{family.id}/{name}" for name in tree.LINE[place + 1 :]]
        yield _case("training line", family, tree.LINE[place], models, alike, never=later)


def descendants_only(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Children and grandchildren as candidates."""
    for child in (ROOT, "c.adamw", "c.light", "c.long", "g.adamw"):
        below = tree.descendants(child)
        never = [f"{family.id}/{name}" for name in below]
        for models in [below, *([name] for name in below)]:
            yield _case("descendants as candidates", family, child, models, alike, never=never)


def framed(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """A child with a little of a stranger, or of a sibling, in it; both are candidates."""
    draw = np.random.default_rng(family.seed_for("framed"))
    for share in SHARES:
        for kind in ("stranger", "sibling"):
            child = str(draw.choice(tree.CHILDREN))
            sibling = str(draw.choice([name for name in tree.CHILDREN if name != child]))
            if kind == "stranger" and not alike:
                continue
            decoy = _roots(alike)[0] if kind == "stranger" else Member(family=family.id, model=sibling)
            relatives = _members(family, [ROOT] if kind == "stranger" else [ROOT, sibling])
            yield Case(
                line=f"framing by {share} %",
                child=Member(family=family.id, model=child, change="mixed", share=share, decoy=decoy),
                candidates=[*relatives, *_roots(alike)],
                parent=f"{family.id}/{ROOT}",
                never=[decoy.id],
            )


def copies(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """A changed copy of the child itself, with and without the child's parent."""
    for child in (ROOT, *tree.CHILDREN):
        for change in COPIES:
            copy = Member(family=family.id, model=child, change=change)
            for parents in ([], [tree.PARENT_OF[child]]):
                found = _case("copies of the child", family, child, parents, alike, never=[copy.id])
                yield Case(**vars(found) | {"candidates": [copy, *found.candidates]})


def true_claims(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """A true parent that is claimed, alone, with strangers, and with siblings."""
    for child in PLAIN:
        siblings = [name for name in tree.CHILDREN if name != child]
        for models in ([ROOT], [ROOT, *siblings]):
            yield _case("true claims", family, child, models, alike, claimed=f"{family.id}/{ROOT}")


def independent(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Networks without a relation: other families', and the one that learned the same in the same order."""
    for child in (ROOT, *tree.OTHER_TASKS, *tree.CHILDREN):
        yield _case("independent networks", family, child, ["scratch"], alike)
    for stranger in alike:
        yield _case("independent networks", family, ROOT, [], [stranger])
        yield _case("independent networks", family, "scratch", [INIT, ROOT], [stranger])


def fixed_weights(family: Family, alike: Sequence[Family]) -> Iterator[Case]:
    """Networks without a relation that hold alike weights which no training made; also hardly any others."""
    for kind in FIXED:
        for change in (kind, f"{kind} alone"):
            yield Case(
                line="independent networks, fixed filters and structured initialisations",
                child=Member(family=family.id, model=ROOT, change=change),
                candidates=[Member(family=family.id, model="scratch", change=change)],
            )


LINES: tuple[Line, ...] = (
    parent_and_roots,
    parent_roots_and_siblings,
    siblings_only,
    near_siblings_only,
    initialisation_only,
    grandchild,
    grandchild_without_parent,
    training_line,
    descendants_only,
    framed,
    copies,
    true_claims,
    independent,
    fixed_weights,
)
WHOLE = (framed,)
"""Lines of which every case is taken; these drew them already."""
OF_PASSAGES = (parent_roots_and_siblings, grandchild, grandchild_without_parent, training_line)
"""Lines in which relatives lie beside each other and on the way from one another."""
