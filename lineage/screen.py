"""The terminal, for results that quote files of others."""

from rich.console import Console
from rich.text import Text

from lineage.errors import printable


class Screen(Console):
    """A terminal that shows text as it is: no markup, no colours of words, and nothing in it that steers a terminal.

    width: of tables, which are never narrower than that.
    """

    def __init__(self, width: int) -> None:
        """A screen that is at least so many columns wide."""
        super().__init__(highlight=False, markup=False, soft_wrap=True)
        self.width = max(self.width, width)

    def render_str(self, text: str, **options: object) -> Text:  # type: ignore[override]
        """Text as rich draws it, also in cells of tables and branches of trees."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)  # type: ignore[arg-type]
