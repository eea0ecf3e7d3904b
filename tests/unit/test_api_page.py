"""The examples of docs/api.md run and give what they show."""

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def blocks() -> list[tuple[int, str]]:
    """Each block of Python with the number of lines before it."""
    text = PAGE.read_text()
    return [(text[: block.start(1)].count("\n"), block[1]) for block in BLOCK.finditer(text)]


def test_the_examples_give_what_they_show(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False), {}
    examples = [(line, block) for line, block in blocks if block.startswith(">>>")]
    assert len(examples) > 3
    for line, block in examples:
        test = parser.get_doctest(block, names, PAGE.name, str(PAGE), line)
        said: list[str] = []
        runner.run(test, out=said.append, clear_globs=False)
        assert not said, "".join(said)
        names = test.globs


def test_the_method_whole_is_short_and_agrees_with_the_library(blocks):
    (method,) = (block for _, block in blocks if "def cka" in block)
    assert len(method.splitlines()) <= 60
    assert "assert abs(scores[name] - of_the_library) < 1e-6" in method
    names: dict[str, object] = {}
    exec(compile(method, str(PAGE), "exec"), names)
    assert set(names["scores"]) == {"p0", "p1"}
