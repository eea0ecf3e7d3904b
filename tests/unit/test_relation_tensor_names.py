"""What names and shapes say of a tensor, by examples from published checkpoints."""

import numpy as np
import pytest

from lineage.checkpoints import checkpoint
from lineage.relation import tensor_names
from lineage.relation.gates import along_two_steps, by_neuron, gates_of
from lineage.relation.sketch import Reason
from lineage.relation.tensor_names import heads, reason_against


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("blocks.0.attn.qkv.weight", (576, 192), Reason.ATTENTION),
        ("layers.0.in_proj_weight", (96, 32), Reason.ATTENTION),
        ("layer.0.attention.self.query.weight", (64, 64), Reason.ATTENTION),
        ("layers.3.self_attn.q_proj.weight", (64, 64), Reason.ATTENTION),
        ("layers.3.self_attn.k_proj.weight", (32, 64), Reason.ATTENTION),
        ("layers.3.self_attn.v_proj.weight", (32, 64), Reason.ATTENTION),
        ("layers.3.self_attn.o_proj.weight", (64, 64), None),
        ("layers.3.self_attn.out_proj.weight", (64, 64), None),
        ("layers.0.attention.wo.weight", (64, 64), None),
        ("layers.0.attention.wq.weight", (64, 64), Reason.ATTENTION),
        ("blocks.0.attn1.to_q.weight", (64, 64), Reason.ATTENTION),
        ("h.0.attn.c_attn.weight", (64, 192), Reason.ATTENTION),
        ("h.0.attn.c_proj.weight", (64, 64), Reason.ATTENTION),
        ("h.0.mlp.c_proj.weight", (256, 64), None),
        ("input_blocks.1.in_layers.2.weight", (64, 64, 3, 3), None),
        ("ups.0.weight_v", (64, 32, 7), None),
        ("blocks.0.mixer.weight", (96, 32), Reason.FUSED_ATTENTION),
        ("blocks.0.mixer.weight", (93, 31), None),
        ("blocks.0.attn.proj.weight", (192, 192), None),
        ("blocks.0.mlp.fc1.weight", (768, 192), None),
        ("pos_embed.position", (197, 192), Reason.TABLE),
        ("patch_embed.proj.weight", (192, 3, 16, 16), None),
        ("lstm.weight_hh_l0", (400, 100), Reason.RECURRENT),
        ("conv1.weight", (64, 3, 7, 7), None),
    ],
)
def test_rows_are_free_but_for_those_of_tables_attention_and_recurrence(name, shape, reason):
    assert reason_against(name, {name: shape}) == reason


@pytest.mark.parametrize(
    ("shapes", "head"),
    [
        ({"features.0.weight": (64, 3, 3, 3), "classifier.1.weight": (10, 64, 1, 1)}, {"classifier.1.weight"}),
        ({"classifier.1.weight": (10, 64, 1, 1), "aux.weight": (64, 64, 3, 3)}, {"classifier.1.weight"}),
        ({"classifier.0.weight": (64, 32, 3, 3), "layer.weight": (10, 64)}, {"layer.weight"}),
        ({"fc1.weight": (64, 784), "fc.weight": (64, 64), "out.weight": (10, 64)}, {"out.weight"}),
        ({"head.weight": (10, 64), "out.weight": (64, 64)}, {"head.weight"}),
        ({"0.weight": (64, 784), "2.weight": (10, 64)}, {"2.weight"}),
        ({"decoder.0.weight": (64, 32), "decoder.2.weight": (9, 64), "encoder.w": (32, 9)}, {"decoder.2.weight"}),
        ({"0.weight": (64, 784), "2.weight": (64, 64), "4.weight": (1, 64)}, {"4.weight"}),
        ({"0.weight": (64, 3, 3), "1.weight": (64, 64, 3), "2.weight": (1, 64, 1)}, {"2.weight"}),
        ({"0.weight": (64, 784), "1.weight": (64, 64), "positions": (1, 9, 64)}, {"1.weight"}),
        ({"0.weight": (64, 784), "rnn.weight_ih_l0": (96, 64), "rnn.weight_hh_l0": (96, 24)}, {"0.weight"}),
    ],
)  # fmt: skip
def test_the_head_is_found_by_its_name_or_else_by_its_place(shapes, head):
    assert heads(shapes) == head


def test_what_a_loss_holds_is_no_part_of_the_network_unless_all_is():
    shapes = {"decoder.weight": (64, 32), "perceptual_loss.net.slice1.0.weight": (64, 3, 3, 3)}
    assert [reason_against(name, shapes) for name in shapes] == [None, Reason.LOSS]
    wrapped = {"loss.model.0.weight": (64, 32), "loss.model.2.weight": (64, 64)}
    assert [reason_against(name, wrapped) for name in wrapped] == [None, None]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_rows_of_recurrent_gates_are_put_together_by_neuron(kind):
    """Permuting the neurons of PyTorch's own layer keeps its outputs, and permutes these rows."""
    torch = pytest.importorskip("torch")
    layer = getattr(torch.nn, kind)(5, 7, batch_first=True)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    shapes = {name: tuple(value.shape) for name, value in layer.named_parameters()}
    gates = gates_of("weight_ih_l0", shapes)
    permuted = getattr(torch.nn, kind)(5, 7, batch_first=True)
    rows = torch.cat([gate * 7 + order for gate in range(gates)])
    with torch.no_grad():
        for name, value in layer.named_parameters():
            moved = value[rows][:, order] if "weight_hh" in name else value[rows]
            permuted.get_parameter(name).copy_(moved)
    inputs = torch.randn(2, 3, 5)
    torch.testing.assert_close(permuted(inputs)[0], layer(inputs)[0][..., order])
    before, after = (by_neuron(net.weight_ih_l0.detach().numpy(), gates) for net in (layer, permuted))
    np.testing.assert_array_equal(after, before[order.numpy()])
    assert gates_of("weight_hh_l0", shapes) is None
    assert reason_against("weight_hh_l0", {"weight_hh_l0": (28, 7)}) is Reason.RECURRENT
    before, after = (
        along_two_steps(net.weight_hh_l0.detach().numpy(), net.weight_ih_l0.detach().numpy())
        for net in (layer, permuted)
    )
    np.testing.assert_allclose(after, before[order.numpy()], atol=1e-5)
    assert reason_against("weight_ih_l0", {"weight_ih_l0": (28, 5)}) is Reason.RECURRENT


@pytest.mark.parametrize(
    "natural", [tensor_names.natural, checkpoint.natural], ids=["relation", "checkpoints"]
)
def test_names_are_sorted_by_their_numbers_and_signs_that_only_look_like_numbers_are_text(natural):
    """Superscripts are digits to `str.isdigit`, and none to `int`."""
    assert sorted(["layer10", "layer2", "layer2²", "layer²"], key=natural) == [
        "layer2",
        "layer2²",
        "layer10",
        "layer²",
    ]


def test_sorted_names_of_an_attention_are_put_in_the_order_in_which_data_pass():
    names = [f"layers.0.self_attn.{part}_proj.weight" for part in "koqv"]
    assert [name[-13] for name in tensor_names.in_order(names)] == ["q", "k", "v", "o"]
