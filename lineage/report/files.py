"""Every figure as SVG, PDF and PNG, for papers."""

from pathlib import Path

from lineage.report.inputs import read_inputs
from lineage.report.page import VEGA_LITE
from lineage.report.sections import filled_sections
from lineage.storage.atomic import written_whole

PIXELS_PER_PIXEL = 3
"""Of a PNG: 320 pixels of a column become 960, 288 an inch."""


def write_figures(folder: str | Path, to: str | Path) -> list[Path]:
    """Writes each figure of a folder of results as SVG, PDF and PNG.

    Returns:
        The files.

    Raises:
        UserError: if there are no results, a file is foreign, or one cannot be written.
    """
    import vl_convert

    written = []
    drawn = [figure for filled in filled_sections(read_inputs(folder)) for figure in filled.figures]
    for figure in drawn:
        specification = figure.specification() | {"background": "white"}
        svg = vl_convert.vegalite_to_svg(specification, vl_version=VEGA_LITE).replace("currentColor", "#000")
        contents = {
            "svg": svg.encode(),
            "pdf": vl_convert.svg_to_pdf(svg),
            "png": vl_convert.svg_to_png(svg, scale=PIXELS_PER_PIXEL),
        }
        for ending, content in contents.items():
            path = Path(to) / f"{figure.name}.{ending}"
            with written_whole(path) as part:
                part.write_bytes(content)
            written.append(path)
    return written
