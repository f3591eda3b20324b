"""A causal language model of `transformers` as decoder; z is a prefix of embeddings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.base.arguments import ids
from lebm_core.base.checks import LARGEST, share, whole
from lebm_core.base.precision import half_is_faster
from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_core.latent.decoder import Decoder
from lebm_core.sequences.cells import LONGEST, MOST_TOKENS
from lebm_core.sequences.distribution import SequenceDistribution
from lebm_core.sequences.token_nll import token_nll
from lebm_core.sequences.tokens import SPECIAL

__all__ = ["TransformersDecoder"]

MOST = {
    "vocab_size": LARGEST,
    "hidden_size": 1_000_000,
    "num_hidden_layers": 1000,
    "num_attention_heads": 10_000,
    "max_position_embeddings": MOST_TOKENS,
}  # fmt: skip - of a pretrained model's configuration


class TransformersDecoder(Decoder):
    """p(x | z) by a causal language model that sees a linear map of z before the sentence.

    Ids 0 to 3 are lebm's own and have embeddings of their own; id i > 3 is the language model's
    token i - 4, so that a pretrained model keeps its tokens (give data.tokenizer the same model).

    Args:
        latent_dim: d; 0 makes the plain language model.
        vocab_size: V, the four special ids included.
        pretrained: a folder or hub id; empty for a GPT-2 of the sizes below from scratch
        width: width of the model, from scratch only
        layers: number of blocks, from scratch only
        heads: attention heads, from scratch only
        dropout: in training, from scratch only
        prefix: positions that z fills
        max_length: longest sequence that is drawn; by default that of the data, or 60
        pad: id of the padding
        bos: id that starts the input
        eos: id that ends a sequence
        half: bfloat16 in gradients where that is faster
        config: a configuration of transformers as a table; a saved model holds its own here

    Raises:
        MissingExtra: where `transformers` is not installed.
        UsageError: for a model that cannot be read, or has fewer tokens than the data.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        pretrained: str = "",
        width: int = 256,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        prefix: int = 1,
        max_length: int | None = None,
        pad: int = 0,
        bos: int = 1,
        eos: int = 2,
        half: bool = True,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for key, size, most in (
            ("prefix", prefix, 10_000), ("width", width, 1_000_000), ("layers", layers, 1000),
            ("heads", heads, 10_000), ("max_length", max_length or 1, MOST_TOKENS),
            ("vocab_size", vocab_size, LARGEST),
        ):  # fmt: skip
            whole(f"decoder.{key}", size, 1, most)
        share("decoder.dropout", dropout)
        if not config and not pretrained and width % heads:
            raise UsageError(
                f"decoder.width = {width} is not a multiple of decoder.heads = {heads}."
            )
        self.latent_dim, self.vocab_size = latent_dim, vocab_size
        self.max_length = LONGEST if max_length is None else max_length
        self.pad, self.bos, self.eos, self.allow_half = pad, bos, eos, half
        self.prefix = prefix if latent_dim else 0
        gpt2 = {
            "model_type": "gpt2",
            "vocab_size": vocab_size - len(SPECIAL),
            "n_positions": self.max_length + self.prefix,
            "n_embd": width,
            "n_layer": layers,
            "n_head": heads,
            "resid_pdrop": dropout,
            "embd_pdrop": dropout,
            "attn_pdrop": dropout,
            "bos_token_id": None,
            "eos_token_id": None,
        }
        self.lm = _language_model(pretrained, config or gpt2)
        known = int(self.lm.config.vocab_size)
        if known < vocab_size - len(SPECIAL):
            raise UsageError(
                f'decoder.pretrained = "{pretrained}" has {known:,} tokens, the data '
                f"{vocab_size - len(SPECIAL):,}: give data.tokenizer the same model."
            )
        # A saved model must not need the folder or the hub again.
        self.remember(pretrained="", config=_plain(self.lm.config.to_dict()))
        words = self.lm.get_input_embeddings().weight
        self.model_width = int(words.shape[1])
        self.special = nn.Embedding(len(SPECIAL), self.model_width)
        with torch.no_grad():
            self.special.weight.copy_(words.mean(0) + 0.02 * torch.randn_like(self.special.weight))
        self.from_z = nn.Linear(latent_dim, self.prefix * self.model_width) if latent_dim else None
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, z: Tensor, context: Tensor | None = None) -> SequenceDistribution:
        """Return p(x | z), batch shape (B,)."""
        return SequenceDistribution(self, z)

    def examples(self, x: Any, context: Tensor | None = None) -> Any:
        """Return token ids (B, T) below the size of the vocabulary."""
        return ids("x", x, self.vocab_size, self)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(x|z), (n k, d) -> (n k,), sequence by sequence; embeddings are hoisted.

        Raises:
            UsageError: where x is longer than the model's positions.
        """
        x = x[:, : int((x != self.pad).sum(1).max())] if x.numel() else x
        n, length = x.shape
        positions = getattr(self.lm.config, "max_position_embeddings", None)
        if positions is not None and length + self.prefix > positions:
            raise UsageError(
                f"A sequence of {length} tokens and a prefix of {self.prefix} exceed the "
                f"{positions} positions of the decoder: raise decoder.max_length."
            )
        embedded = self.embed(torch.cat([x.new_full((n, 1), self.bos), x[:, :-1]], dim=1))
        keep = x != self.pad

        def log_prob(z: Tensor) -> Tensor:
            k = len(z) // n
            half = (
                self.allow_half and torch.is_grad_enabled() and half_is_faster(embedded.device.type)
            )
            inputs = embedded.repeat_interleave(k, 0) if k > 1 else embedded
            inside = keep.repeat_interleave(k, 0) if k > 1 else keep
            targets = (x.repeat_interleave(k, 0) if k > 1 else x)[inside]
            with torch.autocast(z.device.type, torch.bfloat16, enabled=half):
                h, _ = self._run(self._with_prefix(inputs, z), None)
            hidden = h[:, self.prefix :][inside].to(z.dtype)
            nll = token_nll(hidden, self._output(), self.bias, targets, half=half)
            row = torch.arange(n * k, device=x.device)[:, None].expand_as(inside)[inside]
            return -z.new_zeros(n * k).index_add(0, row, nll)

        return log_prob

    def embed(self, ids: Tensor) -> Tensor:
        """Return the input embeddings of ids (B, T), (B, T, W)."""
        own = ids < len(SPECIAL)
        words = self.lm.get_input_embeddings()((ids - len(SPECIAL)).clamp(min=0))
        special = self.special(ids.clamp(max=len(SPECIAL) - 1))
        return torch.where(own[..., None], special, words)

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the next token after `token` (B,), and the new cache."""
        inputs = self.embed(token[:, None])
        if state is None:
            inputs = self._with_prefix(inputs, z)
        h, state = self._run(inputs, state, cache=True)
        return nn.functional.linear(h[:, -1], self._output(), self.bias), state

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the keys and values of the given sequences alone."""
        state.batch_select_indices(rows)
        return state

    def _with_prefix(self, inputs: Tensor, z: Tensor) -> Tensor:
        if self.from_z is None:
            return inputs
        prefix = self.from_z(z).view(len(z), self.prefix, self.model_width)
        return torch.cat([prefix.to(inputs.dtype), inputs], dim=1)

    def _run(self, inputs: Tensor, state: Any, cache: bool = False) -> tuple[Tensor, Any]:
        # Padding stands at the right, where causal attention never looks: no mask is needed.
        out = self.lm.base_model(inputs_embeds=inputs, past_key_values=state, use_cache=cache)
        return out.last_hidden_state, out.past_key_values if cache else None

    def _output(self) -> Tensor:
        """The output layer's weight, (V, W)."""
        words = self.lm.get_output_embeddings().weight[: self.vocab_size - len(SPECIAL)]
        return torch.cat([self.special.weight, words])


def _language_model(pretrained: str, config: dict[str, Any]) -> Any:
    try:
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError as error:
        raise MissingExtra("transformers", "text", 'The decoder "text.transformers"') from error
    if not pretrained:
        kind = config.get("model_type", "gpt2")
        rest = {key: value for key, value in config.items() if key != "model_type"}
        return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(kind, **rest)
        )
    name = f"decoder.pretrained = {shown(pretrained, 300)}"
    try:
        described = AutoConfig.from_pretrained(pretrained)
        for key, most in MOST.items():  # before memory is asked for
            whole(f"its {key}", getattr(described, key, 1), 1, most)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            pretrained, config=described, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # of a damaged folder, the library raises errors of nearly any kind
        raise UsageError(
            f"{name} is no folder and no hub id of a causal language model that could be read: "
            f"{shown(_first_line(error), 200)}."
        ) from error
    model, told = loaded
    if not all(bool(each.isfinite().all()) for each in model.parameters()):
        raise UsageError(f"{name} has weights that are not finite: it is damaged.")
    if lacking := sorted(told["missing_keys"]):
        warnings.warn(
            f"{name} lacks {len(lacking)} of the weights, which begin at random, the first: "
            f"{lacking[0]}.",
            stacklevel=2,
        )
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """The entries of a configuration that JSON can hold."""
    simple = (str, int, float, bool, list, dict, type(None))
    kept = {k: v for k, v in config.items() if isinstance(v, simple) and not k.startswith("_")}
    plain: dict[str, Any] = json.loads(json.dumps(kept))  # some of its tables have numbers for keys
    return plain
