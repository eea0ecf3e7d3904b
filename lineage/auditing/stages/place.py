"""What is known of a relative of the child."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lineage.relation.scars.scar import Scar


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is known of a relative.

    similarity: mean cosine of rows; tests: matrices tested; distance: of weights, relative to the candidate's;
    beside_scale: the same beside the scale of each matrix; is_same: all matrices but the head's are equal; differs:
    what then differs, in words; is_rescaled: neurons differ in scale as training alone does not explain; is_narrow:
    no matrix that differs is large enough to show a direction; is_outlying: other relatives are compared with each
    other, and this one not; scars: what only time can have done to one of the two; describe: gives its features;
    hints: what counters suggest, which decides nothing.
    """

    id: str
    similarity: float
    tests: int
    distance: float
    beside_scale: float
    is_same: bool = False
    differs: Sequence[str] = ()
    is_rescaled: bool = False
    is_narrow: bool = False
    is_outlying: bool = False
    scars: Sequence[Scar] = ()
    describe: Callable[[], Mapping[str, float]] = dict
    hints: Sequence[str] = ()

    @cached_property
    def features(self) -> Mapping[str, float]:
        """Of direction, see `lineage.auditing.stages.describing`; computed where they are asked for."""
        return self.describe()

    def is_nearer(self, than: "Place", share: float = 1.0) -> bool:
        """Whether it is at less than a share of another one's distance from the child, beside scale too.

        Weight decay that two relatives have had brings them nearer to each other, and growth drives them apart.
        """
        own, others = ((place.distance, place.beside_scale) for place in (self, than))
        return all(mine < share * theirs for mine, theirs in zip(own, others, strict=True))
