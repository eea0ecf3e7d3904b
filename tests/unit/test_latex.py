"""The LaTeX tables compile, where there is a TeX."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lineage.results.tables import PUBLISHED_NUMBERS, write_tables

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[paperwidth=60cm,paperheight=120cm,margin=1cm]{geometry}
\usepackage{booktabs,longtable}
\begin{document}
\input{accuracy}

\clearpage
\input{conditions}
\end{document}
"""


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex (Debian: texlive-latex-base)")
def test_tables_compile_with_booktabs(tmp_path):
    written = write_tables(REFERENCE.glob("*/results.parquet"), PUBLISHED_NUMBERS, tmp_path)
    assert {"accuracy.tex", "conditions.tex"} <= {path.name for path in written}
    (tmp_path / "document.tex").write_text(DOCUMENT)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "document.pdf").stat().st_size > 1000
    assert "Overfull" not in done.stdout
