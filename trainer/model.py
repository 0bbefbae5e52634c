"""The Qwen2 architecture (arXiv 2407.10671; Qwen2.5: 2412.15115) in its plain form.

Pre-norm transformer: RMSNorm, rotary positions, grouped-query attention with a bias on q, k and v,
SwiGLU, no other biases, input and output embeddings tied or not. Modules carry the names of Hugging
Face's `Qwen2ForCausalLM`, so that its weights load here and ours there, unchanged.

Letters of tensor shapes: B sequences, T tokens, H query heads, K key/value heads, D head width,
C model width, V vocabulary, N = B T.

Attention is causal over the whole packed sequence: a token may look at the documents before its
own, which EOS sets apart. A block mask would forbid it and cost the fast attention kernels. Every
document token and every EOS counts in the loss, the first token of a document too: it is predicted
from the EOS before it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# Logits of more elements than this (2 GiB in float32) are computed in pieces.
MAX_LOGITS = 1 << 29


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model. Raises ValueError where they do not fit together."""

    vocabulary_size: int
    """V. May be larger than the tokenizer's; the surplus is never trained on."""
    width: int = 128
    """C, `hidden_size`."""
    layers: int = 4
    heads: int = 4
    """H."""
    kv_heads: int = 2
    """K; H / K query heads share one key and value head."""
    mlp_width: int = 384
    """`intermediate_size` of SwiGLU; about 8/3 C keeps the parameters of a plain 4 C MLP."""
    max_length: int = 256
    """Longest sequence: `max_position_embeddings`."""
    rope_base: float = 10_000.0
    """Base of the rotary frequencies: 10,000 up to 4,096 tokens in Qwen2.5, 1,000,000 beyond."""
    norm_eps: float = 1e-6
    """Qwen2.5's epsilon in RMSNorm."""
    tied: bool = True
    """One matrix for input and output embeddings, as Qwen2.5 up to 3B."""

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "width", "layers", "heads", "kv_heads", "mlp_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
        if self.width % self.heads or self.head_width % 2:
            raise ValueError(
                f"width: {self.width} over {self.heads} heads is no even head width.\n"
                f"  Set width to a multiple of {2 * self.heads}."
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"kv_heads: {self.kv_heads} does not divide {self.heads} heads.\n"
                f"  Set kv_heads to a divisor of {self.heads}."
            )

    @property
    def head_width(self) -> int:
        """D."""
        return self.width // self.heads


def rotary_tables(length: int, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """cos and sin of the rotary angles (Su et al., arXiv 2104.09864): each (T, D) float32.

    Both halves of D hold the same D/2 frequencies, as Hugging Face lays them out.
    """
    frequencies = base ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)  # (T, D/2)
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on x: (B, H, T, D) → the same shape."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention: (B, T, C) → (B, T, C)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.grouped = config.heads != config.kv_heads
        inner, kv = config.heads * self.head_width, config.kv_heads * self.head_width
        self.q_proj = nn.Linear(config.width, inner, bias=True)
        self.k_proj = nn.Linear(config.width, kv, bias=True)
        self.v_proj = nn.Linear(config.width, kv, bias=True)
        self.o_proj = nn.Linear(inner, config.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = (
            project(x).view(batch, length, -1, self.head_width).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )  # (B, H, T, D), (B, K, T, D) twice
        q, k = rotate(q, cos, sin).type_as(v), rotate(k, cos, sin).type_as(v)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=self.grouped
        )
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))
        return out


class SwiGLU(nn.Module):
    """down(silu(gate(x)) up(x)) (Shazeer, arXiv 2002.05202): (B, T, C) → (B, T, C)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.down_proj = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """One layer: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.width, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.width, config.norm_eps)
        self.mlp = SwiGLU(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    """Everything up to the output embedding: tokens (B, T) → hidden (B, T, C)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, config.norm_eps)
        cos, sin = rotary_tables(config.max_length, config.head_width, config.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        cos, sin = self.get_buffer("cos")[:length], self.get_buffer("sin")[:length]
        x: Tensor = self.embed_tokens(tokens)
        for block in self.layers:
            x = block(x, cos, sin)
        out: Tensor = self.norm(x)
        return out


def token_losses(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each token in nats: hidden (N, C), weight (V, C), targets (N) → (N) float32.

    Targets of -100 give 0.
    """
    logits = functional.linear(hidden, weight).float()
    return functional.cross_entropy(logits, targets, reduction="none")


def draw_weights(module: nn.Module, layers: int) -> None:
    """Draw all weights from torch's global generator: normal, deviation 0.02 (Qwen2's
    `initializer_range`), divided by sqrt(2 layers) where a layer writes into the residual stream
    (GPT-2); biases are 0.
    """
    for name, parameter in module.named_parameters():
        if parameter.dim() == 2:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            nn.init.normal_(parameter, 0.0, 0.02 / (math.sqrt(2 * layers) if residual else 1))
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


class Qwen2(nn.Module):
    """The language model: `model(tokens, targets)` is the loss of each token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        if config.tied:
            self.lm_head.weight = self.model.embed_tokens.weight
        draw_weights(self, config.layers)

    def logits(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) → logits (B, T, V)."""
        out: Tensor = self.lm_head(self.model(tokens))
        return out

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """tokens and targets (B, T) int64 → loss of each token in nats (B, T) float32.

        1. hidden states of all N = B T tokens
        2. where N V logits would not fit (MAX_LOGITS), cut N into pieces
        3. of each piece, keep the losses and throw the logits away; backward makes them again
        """
        hidden = self.model(tokens).flatten(0, 1)  # (N, C)
        flat, weight = targets.flatten(), self.lm_head.weight
        pieces = -(-flat.numel() * weight.shape[0] // MAX_LOGITS)
        if pieces <= 1:
            return token_losses(hidden, weight, flat).view_as(targets)
        losses = [
            checkpoint(token_losses, h, weight, t, use_reentrant=False)
            for h, t in zip(hidden.chunk(pieces), flat.chunk(pieces), strict=True)
        ]
        return torch.cat(losses).view_as(targets)

    def parameter_count(self) -> int:
        """Number of parameters, tied ones counted once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self, length: int) -> int:
        """FLOPs of one training step a token: 6 a matrix weight + 12 L C T for attention.

        PaLM's count (arXiv 2204.02311, appendix B), which ignores that attention is causal.
        """
        matrices = sum(p.numel() for p in self.parameters() if p.dim() == 2)
        if not self.config.tied:
            matrices -= self.model.embed_tokens.weight.numel()
        return 6 * matrices + 12 * self.config.layers * self.config.width * length
