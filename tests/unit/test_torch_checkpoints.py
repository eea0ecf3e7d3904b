"""PyTorch's own files, read without PyTorch: what torch.load gives is what is found, and PyTorch stays unimported."""

import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from lineage.checkpoints.read import open_model
from lineage.errors import UserError

FORMATS = {"archive": True, "before 1.6": False}
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
EIGHT_BITS = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]


@pytest.fixture(params=FORMATS)
def saved(request, tmp_path):
    """Saves an object, and gives the path and what torch.load reads there."""

    def save(thing):
        path = tmp_path / "m.pt"
        torch.save(thing, path, _use_new_zipfile_serialization=FORMATS[request.param])
        return path, torch.load(path, weights_only=True)

    return save


def assert_read_as(path, expected: dict) -> None:
    """Every float tensor of `expected`, and nothing else, with the values of PyTorch's conversion to float32."""
    model = open_model(path)
    floats = {name: tensor for name, tensor in expected.items() if tensor.is_floating_point()}
    assert list(model.entries) == list(floats)
    for name, tensor in floats.items():
        assert model.entries[name].dtype == str(tensor.dtype).removeprefix("torch.")
        read = model.read(name)
        assert read.dtype == np.float32
        assert np.array_equal(read, tensor.detach().float().numpy(), equal_nan=True), name


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_every_float_type_is_read_as_pytorch_reads_it(saved, dtype):
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)) * 100
    assert_read_as(*saved({"w": values.to(dtype), "b": values[0].to(dtype)}))


@pytest.mark.parametrize("dtype", EIGHT_BITS, ids=str)
def test_every_8_bit_float_is_read_with_every_value_that_it_has(tmp_path, dtype):
    """Only from archives: PyTorch itself cannot read back the files in the format before 1.6 that hold them."""
    torch.save({"w": torch.arange(256, dtype=torch.uint8).view(dtype)[2:]}, tmp_path / "m.pt")
    assert_read_as(tmp_path / "m.pt", torch.load(tmp_path / "m.pt", weights_only=True))


@pytest.mark.parametrize(
    "dtype",
    [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool],
    ids=str,
)
def test_other_types_are_left_out_with_their_names(saved, dtype):
    path, loaded = saved({"w": torch.ones(2), "n": torch.ones(3).to(dtype)})
    assert_read_as(path, loaded)
    left_out = open_model(path).left_out
    assert left_out["n"].reason == f"{str(dtype).removeprefix('torch.')}: no weights"


BASE = torch.arange(60, dtype=torch.float32)
VIEWS = {
    "whole": BASE,
    "later part": BASE[17:],
    "transposed": BASE.view(6, 10).T,
    "every third": BASE[4::3],
    "block": BASE.view(6, 10)[2:5, 3:7],
    "permuted": BASE.view(3, 4, 5).permute(2, 0, 1),
    "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "repeated": torch.arange(8.0)[:2].expand(4, 2),
    "diagonal": torch.diagonal(BASE.view(6, 10)),
    "scalar": torch.tensor(3.5),
    "element of a row": BASE[9],
    "nothing": torch.empty(0, 5),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_read_with_its_offset_and_strides(saved, name):
    assert_read_as(*saved({"w": VIEWS[name]}))


DENSE = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)) * (
    torch.arange(60).view(6, 10) % 3 == 0
)
SPARSE = {
    "by coordinates": DENSE.to_sparse(),
    "not coalesced": torch.sparse_coo_tensor(
        [[1, 1, 4], [2, 2, 0]], torch.tensor([1.0, 2.5, -1.0]), (6, 10), check_invariants=True
    ),
    "of rows": DENSE.to_sparse(1),
    "of four axes": DENSE.view(2, 3, 5, 2).to_sparse(),
    "compressed rows": DENSE.to_sparse_csr(),
    "compressed columns": DENSE.to_sparse_csc(),
    "half": DENSE.half().to_sparse(),
}


@pytest.mark.parametrize("name", SPARSE)
def test_a_sparse_tensor_is_read_with_its_zeros(tmp_path, name):
    torch.save({"a.weight": BASE, "b.weight": SPARSE[name]}, tmp_path / "m.pt")
    model = open_model(tmp_path / "m.pt")
    assert list(model.entries) == ["a.weight", "b.weight"]
    assert np.array_equal(model.read("b.weight"), SPARSE[name].to_dense().float().numpy())
    assert not model.notes


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (DENSE.to_sparse_bsr((2, 2)), "a sparse tensor of the layout 'torch.sparse_bsr'"),
        (torch.sparse_coo_tensor([[7], [2]], [1.0], (6, 10), check_invariants=False), "outside of its shape"),
        (
            torch.sparse_coo_tensor([[-1], [2]], [1.0], (6, 10), check_invariants=False),
            "outside of its shape",
        ),
    ],
    ids=["blocks", "too far", "negative"],
)
def test_a_sparse_tensor_of_another_kind_or_with_indices_outside_is_one_line(tmp_path, tensor, message):
    torch.save({"a.weight": BASE, "b.weight": tensor}, tmp_path / "m.pt")
    with pytest.raises(UserError, match=message):
        open_model(tmp_path / "m.pt").read("b.weight")


def test_tensors_that_share_a_storage_are_all_read(saved):
    path, loaded = saved({name: view for name, view in VIEWS.items() if name != "channels last"})
    assert_read_as(path, loaded)


def test_a_networks_state_dict_is_read_whole(saved):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.LSTM(4, 3))
    path, loaded = saved(network.state_dict())
    assert isinstance(loaded, OrderedDict)
    assert_read_as(path, loaded)


def test_parameters_in_nested_dictionaries_are_found(saved):
    weights = {"a": torch.nn.Parameter(torch.randn(3, 4)), "b": torch.randn(2)}
    path, _ = saved({"epoch": 3, ("a", 1): [1.5, None, True], "nested": {7: OrderedDict(model=weights)}})
    assert_read_as(path, weights)


@pytest.mark.parametrize("protocol", [2, 3])
def test_newer_protocols_of_pickle_are_read_too(tmp_path, protocol):
    torch.save({"w": BASE}, tmp_path / "m.pt", pickle_protocol=protocol)
    assert_read_as(tmp_path / "m.pt", {"w": BASE})


@pytest.mark.parametrize("dtype", [*FLOATS, torch.float8_e5m2], ids=str)
def test_an_archive_of_a_big_endian_machine_is_read(tmp_path, dtype):
    values = torch.randn(5, 4).to(dtype)
    torch.save({"w": values}, tmp_path / "little.pt")
    size = values.element_size()
    with zipfile.ZipFile(tmp_path / "little.pt") as little, zipfile.ZipFile(tmp_path / "m.pt", "w") as big:
        for member in little.infolist():
            content = little.read(member)
            if member.filename.endswith("byteorder"):
                content = b"big"
            elif "/data/" in member.filename:
                content = np.frombuffer(content, f"u{size}").byteswap().tobytes()
            big.writestr(member.filename, content)
    assert torch.equal(torch.load(tmp_path / "m.pt", weights_only=True)["w"].float(), values.float())
    assert_read_as(tmp_path / "m.pt", {"w": values})


def test_an_unknown_byte_order_is_refused(tmp_path):
    torch.save({"w": BASE}, tmp_path / "little.pt")
    with zipfile.ZipFile(tmp_path / "little.pt") as little, zipfile.ZipFile(tmp_path / "m.pt", "w") as other:
        for member in little.infolist():
            is_order = member.filename.endswith("byteorder")
            other.writestr(member.filename, b"middle" if is_order else little.read(member))
    with pytest.raises(UserError, match=r"byteorder is 'middle'; expected little or big"):
        open_model(tmp_path / "m.pt")


def test_a_file_of_python_2_is_read(tmp_path):
    """Python 2 put the items of an OrderedDict into the call, as a list of lists."""
    torch.save({"w": BASE, "b": BASE[:3]}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "m.pt").read_bytes()
    stored = b"}q\x00(X\x01\x00\x00\x00wq\x01"
    assert content.count(stored) == 1
    start = content.index(stored)
    end = content.index(b"u.", start)
    body = content[start + len(b"}q\x00(") : end]
    at = body.index(b"X\x01\x00\x00\x00b")
    pairs = b"](](" + body[:at] + b"e](" + body[at:] + b"ee"
    called = b"ccollections\nOrderedDict\n" + pairs + b"\x85R."
    (tmp_path / "m.pt").write_bytes(content[:start] + called + content[end + 2 :])
    loaded = torch.load(tmp_path / "m.pt", weights_only=True)
    assert isinstance(loaded, OrderedDict)
    assert_read_as(tmp_path / "m.pt", loaded)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file_is_refused(tmp_path, legacy):
    torch.save({"w": torch.ones(5000)}, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    (tmp_path / "m.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:9000])
    with pytest.raises(UserError, match="truncated"):
        open_model(tmp_path / "m.pt")


def test_a_pickle_of_anything_else_is_refused(tmp_path):
    (tmp_path / "m.pt").write_bytes(pickle.dumps({"w": [1.0, 2.0]}, 2))
    with pytest.raises(UserError, match="not one that PyTorch wrote"):
        open_model(tmp_path / "m.pt")


def test_reading_takes_the_memory_of_one_tensor(saved):
    """40 tensors of 1 MiB: with one at a time in memory, the peak stays far below all of them."""
    path, _ = saved({str(index): torch.randn(2**18) for index in range(40)})
    tracemalloc.start()
    model = open_model(path)
    for name in model.entries:
        model.read(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_no_pytorch_is_imported_to_read_one_of_its_files(tmp_path):
    torch.save({"w": BASE}, tmp_path / "m.pt")
    code = (
        "import sys; from lineage.checkpoints.read import open_model; "
        f"print(open_model({str(tmp_path / 'm.pt')!r}).read('w').sum(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1770.0", "False"]


def put(folder, thing):
    torch.save(thing, folder / "m.pt")
    return folder / "m.pt"


def test_an_expanded_tensor_is_read_as_it_repeats(tmp_path):
    model = open_model(put(tmp_path, {"w": torch.ones(3, 4), "ex": torch.arange(50.0).expand(40, 50)}))
    assert np.array_equal(model.read("ex"), np.tile(np.arange(50, dtype=np.float32), (40, 1)))


def test_complex_numbers_are_left_out_by_name_and_may_be_weights(tmp_path):
    model = open_model(
        put(tmp_path, {"w": torch.ones(3, 4), "spectrum": torch.ones(9, 9, dtype=torch.complex64)})
    )
    assert model.left_out["spectrum"].reason == "complex64: complex numbers, which are not read"
    assert model.left_out["spectrum"].is_weights
