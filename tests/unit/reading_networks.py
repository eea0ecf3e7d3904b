"""Four kinds of small networks with PyTorch's names and layouts, as training leaves them, for tests of readers."""

import numpy as np
from small_networks import learnt

State = dict[str, np.ndarray]

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "cnn": {
        "conv1.weight": (32, 3, 3, 3), "bn1.weight": (32,), "bn1.bias": (32,),
        "conv2.weight": (48, 32, 3, 3), "bn2.weight": (48,), "bn2.bias": (48,),
        "conv3.weight": (64, 48, 3, 3), "conv3.bias": (64,), "fc1.weight": (72, 64), "fc1.bias": (72,),
        "head.weight": (10, 72), "head.bias": (10,),
    },
    "vit": {
        "patch_embed.proj.weight": (48, 3, 4, 4), "patch_embed.proj.bias": (48,),
        **{f"blocks.{block}.{name}": shape for block in range(3) for name, shape in {
            "norm1.weight": (48,), "attn.qkv.weight": (144, 48), "attn.qkv.bias": (144,),
            "attn.proj.weight": (48, 48), "norm2.weight": (48,), "mlp.fc1.weight": (192, 48),
            "mlp.fc1.bias": (192,), "mlp.fc2.weight": (48, 192)}.items()},
        "norm.weight": (48,), "head.weight": (10, 48), "head.bias": (10,),
    },
    "llama": {
        "model.embed_tokens.weight": (112, 64),
        **{f"model.layers.{layer}.{name}": shape for layer in range(3) for name, shape in {
            "self_attn.q_proj.weight": (64, 64), "self_attn.k_proj.weight": (32, 64),
            "self_attn.v_proj.weight": (32, 64), "self_attn.o_proj.weight": (64, 64),
            "mlp.gate_proj.weight": (160, 64), "mlp.up_proj.weight": (160, 64), "mlp.down_proj.weight": (64, 160),
            "input_layernorm.weight": (64,), "post_attention_layernorm.weight": (64,)}.items()},
        "model.norm.weight": (64,), "lm_head.weight": (112, 64),
    },
    "lstm": {
        "embedding.weight": (96, 32), "lstm.weight_ih_l0": (160, 32), "lstm.weight_hh_l0": (160, 40),
        "lstm.bias_ih_l0": (160,), "lstm.bias_hh_l0": (160,), "lstm.weight_ih_l1": (160, 40),
        "lstm.weight_hh_l1": (160, 40), "lstm.bias_ih_l1": (160,), "lstm.bias_hh_l1": (160,),
        "hidden.weight": (64, 40), "hidden.bias": (64,), "head.weight": (10, 64), "head.bias": (10,),
    },
}  # fmt: skip


def network(kind: str, seed: int) -> State:
    """Random weights with a few strong directions in each matrix."""
    drawn, state = np.random.default_rng([seed, len(kind)]), {}
    for name, shape in SHAPES[kind].items():
        if len(shape) == 1:
            state[name] = (
                1 + 0.1 * drawn.normal(size=shape) if "n" in name[:5] else 0.1 * drawn.normal(size=shape)
            )
        else:
            rows, columns = shape[0], int(np.prod(shape[1:]))
            values = drawn.normal(0, columns**-0.5, (rows, columns)) + learnt(drawn, rows, columns)
            state[name] = values.reshape(shape)
    return {name: values.astype(np.float32) for name, values in state.items()}


def child_of(parent: State, seed: int) -> State:
    """Fine-tuned: other strong directions and a little noise are added, under a new head."""
    drawn, state = np.random.default_rng(seed), {}
    for name, values in parent.items():
        change = 0.002 * drawn.normal(size=values.shape)
        if values.ndim > 1:
            change = change + learnt(drawn, len(values), values[0].size).reshape(values.shape)
        state[name] = (values + change).astype(np.float32)
        if "head" in name:
            state[name] = drawn.normal(0, 0.1, values.shape).astype(np.float32)
    return state
