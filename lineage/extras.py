"""Which extra of the package brings a library that a command misses."""

EXTRAS = dict.fromkeys(("answer", "audit", "diff", "disguise", "hash", "tree", "verdicts", "verify"), "audit")
EXTRAS |= {"ask": "run", "index": "index", "summarise": "run", "unlock": "run"}
"""What to install for each command; those not named here need no more than the package's own dependencies."""

OF_NETWORKS = {"PIL", "sklearn", "timm", "torch", "torchvision"}
"""Libraries that an audit needs only to run networks on a probe, with `--arch`; they come with `run`."""


def missing(library: str, command: str) -> str:
    """One line that says which extra of the package brings a library that a command misses."""
    extra = "run" if library in OF_NETWORKS else EXTRAS.get(command)
    package = f"neural-lineage[{extra}]" if extra else "neural-lineage"
    return (
        f"error: `lineage {command}` needs the library {library}, which is not installed; "
        f'install all that it needs: pip install "{package}"'
    )
