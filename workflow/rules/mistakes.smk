import sys
from functools import cache
from pathlib import Path

from lineage.errors import UserError
from lineage.jobs.code_digest import code_of as digest_of

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"


def stopping_on_mistakes(function, *args, **kwargs):
    """Ends the run with one line where the user made a mistake."""
    try:
        return function(*args, **kwargs)
    except UserError as error:
        sys.exit(f"error: {error}")


@cache
def code_of(script):
    """Digest of the code that a stage script runs; of a job, the process that runs it computes its own alone."""
    return stopping_on_mistakes(digest_of, SCRIPTS / script)
