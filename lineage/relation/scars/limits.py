"""What scars leave of an estimate of direction."""

import math
from collections.abc import Collection

from lineage.relation.direction.estimate import NEAR, Estimate
from lineage.relation.scars.scar import Later, Scar, no_ancestors, source_of

NO_ANCESTOR = math.nextafter(NEAR, 1)
"""The smallest share of a candidate that is no ancestor."""
OF_COPIES = {Later.CANDIDATE: Estimate(0.0, 0.0, 0.0), Later.CHILD: Estimate(1.0, 1.0, 1.0)}
"""By the source: the child is the candidate's copy, or the candidate the child's."""


def limited(estimate: Estimate, scars: Collection[Scar]) -> Estimate:
    """The estimate without what the scars forbid; exchanging candidate and child still turns shares into 1 − share.

    An interval of which nothing remains was wrong: then the share may be anything that the scars allow.
    """
    if (source := source_of(scars)) is not None:
        return OF_COPIES[source]
    barred = no_ancestors(scars)
    if not barred:
        return estimate
    lowest = NO_ANCESTOR if Later.CANDIDATE in barred else 0.0
    highest = 1 - NO_ANCESTOR if Later.CHILD in barred else 1.0
    least, most = max(estimate.least, lowest), min(estimate.most, highest)
    if least > most:
        least, most = lowest, highest
    return Estimate(min(max(estimate.share, least), most), least, most)
