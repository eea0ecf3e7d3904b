"""What the names of sources may be, and which files a workflow has to track for them."""

import subprocess
import sys
from pathlib import Path

import pytest
from labelled_pictures import complaint

from lineage.data.source_files import source_files
from lineage.errors import UserError


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("fashion-mnist", "expected one of embedded:..., parquet:..."),
        ("embedded:", "expected one of embedded:..."),
        ("http:x", "expected one of embedded:..."),
        ("sklearn:iris", "'sklearn:digits' only"),
        ("torchvision:ImageNet1B", "CIFAR10, CIFAR100"),
        ("parquet:nowhere/a.parquet", "nowhere/a.parquet: expected a Parquet file"),
        ("folder:nowhere", "nowhere: expected a folder"),
        ("embedded:nowhere", "no such embedded data"),
    ],
)
def test_a_source_that_is_unknown_or_absent_is_refused_before_and_while_loading(source, message):
    assert message in complaint(source)
    with pytest.raises(UserError) as caught:
        source_files(source, "train")
    assert message in str(caught.value)


def test_only_single_files_are_tracked_by_a_workflow(tmp_path, monkeypatch):
    assert source_files("sklearn:digits", "train") == source_files("torchvision:MNIST", "train") == []
    assert source_files(f"folder:{tmp_path}", "train") == []
    repository = Path(__file__).parents[2]
    monkeypatch.chdir(repository)
    assert source_files("embedded:fashion-mnist", "train") == ["resources/fashion-mnist/train.parquet"]
    monkeypatch.chdir(tmp_path)
    expected = repository / "resources" / "fashion-mnist" / "train.parquet"
    assert source_files("embedded:fashion-mnist", "train") == [str(expected)]


def test_importing_the_module_and_naming_files_loads_neither_torch_nor_pyarrow():
    code = (
        "import sys; from lineage.data.source_files import source_files; "
        "source_files('embedded:fashion-mnist', 'test'); "
        "print(*{'torch', 'torchvision', 'pyarrow', 'sklearn'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == ""
