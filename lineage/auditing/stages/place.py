"""What is known of a relative of the child."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lineage.relation.scars.scar import Scar


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is known of a relative.

    similarity: mean cosine of rows; tests: matrices tested; distance: of weights beside their scale, relative to the
    candidate's; is_same: all matrices but the head's are equal; differs: what then differs, in words; is_rescaled:
    neurons differ in scale as training alone does not explain; is_narrow: no matrix that differs is large enough to
    show a direction; is_outlying: other relatives are compared with each other, and this one not; scars: what only
    time can have done to one of the two; describe: gives its features; hints: what counters suggest, which decides
    nothing.
    """

    id: str
    similarity: float
    tests: int
    distance: float
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
