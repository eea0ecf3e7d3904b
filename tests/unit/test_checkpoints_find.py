"""The models that a user names."""

import pytest

from lineage.checkpoints.find import sources_of
from lineage.errors import UserError


def test_folders_globs_and_tables_name_models(tmp_path):
    for name in ("a/x.safetensors", "b/x.pt", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [source.id for source in sources_of(str(tmp_path))] == ["a/x", "b/x"]
    assert [source.id for source in sources_of(f"{tmp_path}/*/x.*")] == ["a/x", "b/x"]
    table = tmp_path / "models.tsv"
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tcandidate\nB\tb/x.pt\tunrelated\n")
    assert [source.id for source in sources_of(str(table))] == ["A"]
    assert [source.id for source in sources_of(str(table), role="unrelated")] == ["B"]
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tuncle\n")
    with pytest.raises(UserError, match="line 2: role: expected one of candidate"):
        sources_of(str(table))
