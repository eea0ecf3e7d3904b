"""The p-values of audits, for related and for unrelated pairs: of the experiment that `make run` made.

    python tests/bench/audit_p_values.py [results/fc-fashion [results/reference/fc-fashion]]

Each child is tested against each root, and each root against each other one; a pair is related where the candidate is
the child's root. Writes p_values.parquet into the second folder, and prints how many unrelated pairs have a p-value
below some levels. `make audit-bench`.
"""

import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from audit_rates import models_of

from lineage.audit.auditing import Audit
from lineage.audit.digest import DigestCache
from lineage.audit.sources import Source
from lineage.parquet import write_table
from lineage.schemas import P_VALUES

LEVELS = (0.01, 0.05, 0.1, 0.5)


def tested(folder: Path, cache: DigestCache) -> Iterator[dict]:
    """Rows of P_VALUES without their experiment."""
    roots = [
        Source(id=path.parent.name, path=str(path)) for path in sorted(folder.glob("pretrain/*/weights.h5"))
    ]
    children = [
        (model, f"{path}::{model}")
        for path in sorted(folder.glob("finetune/*/*/*/weights.h5"))
        for model in models_of(path)
    ]
    for child, path in children:
        for candidate in Audit(path, roots, cache=cache).candidates:
            is_related = child.partition(".")[0] == candidate.id
            yield {
                "child": child,
                "candidate": candidate.id,
                "related": is_related,
                "log10_p": candidate.log10_p,
            }
    for one, other in itertools.permutations(roots, 2):
        [candidate] = Audit(one.path, [other], cache=cache).candidates
        yield {"child": one.id, "candidate": other.id, "related": False, "log10_p": candidate.log10_p}


def main() -> None:
    """Writes and prints."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/fc-fashion")
    to = Path(sys.argv[2] if len(sys.argv) > 2 else f"results/reference/{folder.name}")
    with tempfile.TemporaryDirectory() as cache:
        rows = pd.DataFrame(tested(folder, DigestCache(Path(cache)))).assign(experiment=folder.name)
    write_table(to / "p_values.parquet", rows, P_VALUES, ["child", "candidate"])
    p = 10 ** rows.loc[~rows["related"], "log10_p"]
    for level in LEVELS:
        print(f"p <= {level}: {(p <= level).sum()} of {len(p)} unrelated pairs")
    related = rows.loc[rows["related"], "log10_p"]
    print(f"{len(related)} related pairs: log10 p from {related.min():.1f} to {related.max():.1f}")


if __name__ == "__main__":
    main()
