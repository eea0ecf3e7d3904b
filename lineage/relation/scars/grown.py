"""What a network has more of than its relative: rows of a vocabulary, input channels, repeated layers, adapters.

Growing keeps what was there and adds to it; nobody shrinks a network to its first rows, or merges equal layers, or
takes adapters out. Tables of positions are cut as often as they are made longer, and say nothing.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from lineage.relation.matching import Matching, Shape
from lineage.relation.scars.scar import Later, Scar, ScarKind
from lineage.relation.tensor_names import is_of_positions

GROWN = (ScarKind.WIDENED, ScarKind.REPEATED, ScarKind.ADAPTED)
ADAPTER = re.compile(r"(?:^|[._])lora_(?:embedding_)?[AB](?:\.|$)")
"""A factor of a low-rank adapter (Hu et al. 2021, arXiv:2106.09685)."""


def grown(
    matching: Matching,
    child: Mapping[str, Shape],
    candidate: Mapping[str, Shape],
    *,
    tested: Collection[str],
    copies: Collection[Later],
) -> list[Scar]:
    """The scars of growing.

    Args:
        matching: of the child with the candidate, settled; child, candidate: shapes by name.
        tested: matrices of hidden neurons that were found to belong together.
        copies: who of the two has all that the other has, unchanged.
    """
    longer: dict[Later, list[str]] = defaultdict(list)
    for name in matching.resized:
        ours, theirs = child[name], candidate[matching.pairs[name]]
        if not is_of_positions(name) and not _is_of_one_input(ours, theirs):
            longer[Later.CHILD if ours > theirs else Later.CANDIDATE].append(name)
    scars = [
        Scar(
            kind=ScarKind.WIDENED,
            later=later,
            evidence=f"the {later} has more rows or columns than the {later.earlier} in {_some(names)}, the first of "
            f"which are the {later.earlier}'s",
            is_copy=later in copies,
        )
        for later, names in longer.items()
    ]
    for later, names in ((Later.CHILD, matching.only_child), (Later.CANDIDATE, matching.only_candidate)):
        if adapters := [name for name in names if ADAPTER.search(name)]:
            evidence = f"the {later} has adapters beside its layers, as {_some(adapters)}"
            scars.append(Scar(kind=ScarKind.ADAPTED, later=later, evidence=evidence, is_copy=later in copies))
    partners = Counter(matching.pairs[name] for name in tested)
    repeated = [name for name in tested if partners[matching.pairs[name]] > 1]
    if len(repeated) > 2:
        evidence = f"the child repeats layers that the candidate has once, as in {_some(repeated)}"
        is_copy = Later.CHILD in copies
        scars.append(Scar(kind=ScarKind.REPEATED, later=Later.CHILD, evidence=evidence, is_copy=is_copy))
    return scars


def _is_of_one_input(ours: Shape, theirs: Shape) -> bool:
    """Whether kernels of one input channel were made of several, or the reverse: both are common."""
    return len(ours) > 2 and ours[0] == theirs[0] and min(ours[1], theirs[1]) == 1


def _some(names: Collection[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:2]) + (", ..." if len(listed) > 2 else "")
