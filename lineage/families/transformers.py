"""The transformers among the small networks: images in patches of 8 x 8 pixels. N images, T tokens, W the width."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

PATCH, PATCHES, DEPTH, HEAD_WIDTH = 8, 4, 2, 32


def _attended(queries: Tensor, keys: Tensor, values: Tensor, *, causal: bool) -> Tensor:
    """Attention [N, T, W] in heads of 32."""

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)

    mixed = scaled_dot_product_attention(split(queries), split(keys), split(values), is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Attention with queries, keys and values in one matrix."""

    def __init__(self, width: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens to tokens [N, T, W]."""
        return self.proj(_attended(*self.qkv(x).chunk(3, -1), causal=False))


class Block(nn.Module):
    """Attention and two layers, each after LayerNorm and added to its input."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens to tokens [N, T, W]."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Two blocks over patches and a class token (Dosovitskiy et al. 2021, arXiv:2010.11929)."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.patch_embed = nn.Conv2d(1, width, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, PATCHES + 1, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes]."""
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens))[:, 0])


class SelfAttention(nn.Module):
    """Causal attention with a matrix each, without biases."""

    def __init__(self, width: int):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens to tokens [N, T, W]."""
        return self.o_proj(_attended(self.q_proj(x), self.k_proj(x), self.v_proj(x), causal=True))


class Gated(nn.Module):
    """A gated layer and one back, without biases (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, 2 * width, bias=False)
        self.up_proj = nn.Linear(width, 2 * width, bias=False)
        self.down_proj = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens to tokens [N, T, W]."""
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """Attention and a gated layer, each after RMSNorm and added to its input."""

    def __init__(self, width: int):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(width)
        self.self_attn = SelfAttention(width)
        self.post_attention_layernorm = nn.RMSNorm(width)
        self.mlp = Gated(width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens to tokens [N, T, W]."""
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embedded patches through two layers, with Llama's names of tensors."""

    def __init__(self, width: int):
        super().__init__()
        self.embed_patches = nn.Linear(PATCH**2, width, bias=False)
        self.layers = nn.Sequential(*(DecoderLayer(width) for _ in range(DEPTH)))
        self.norm = nn.RMSNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """The last token [N, W]; it alone sees all patches."""
        patches = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).flatten(1, 3).flatten(2)
        return self.norm(self.layers(self.embed_patches(patches)))[:, -1]


class Llama(nn.Module):
    """A decoder of image patches, as in Touvron et al. 2023 (arXiv:2302.13971) but for rotary positions."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.model = Decoder(width)
        self.score = nn.Linear(width, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return self.score(self.model(images))


vit, llama = VisionTransformer, Llama
