from __future__ import annotations

import json

import pytest
import torch

from lebm_core import GaussianPrior, LatentEBM
from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import EOS, PAD

transformers = pytest.importorskip("transformers")

from lebm_text.networks.transformers import TransformersDecoder  # noqa: E402


def make(**options):
    sizes = {"width": 32, "layers": 2, "heads": 2, "max_length": 12, "prefix": 2}
    return TransformersDecoder(4, 30, **(sizes | options)).eval()


def test_the_likelihood_is_the_product_of_the_steps():
    decoder, z = make(), torch.randn(5, 4)
    x = decoder(z).sample(generator=torch.Generator().manual_seed(0))
    x[0, 3:], x[1, 5:] = PAD, PAD  # sequences of different lengths
    x[0, 2], x[1, 4] = EOS, EOS
    with torch.no_grad():
        found = decoder.likelihood(x)(z)
        state, token, total = None, torch.full((5,), decoder.bos), torch.zeros(5)
        for t in range(x.shape[1]):
            logits, state = decoder.next_logits(token, state, z)
            token = x[:, t]
            step = logits.log_softmax(-1).gather(1, token[:, None]).squeeze(1)
            total += torch.where(token != PAD, step, 0.0)
    torch.testing.assert_close(found, total, atol=1e-4, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(decoder(z).log_prob(x), found)


@torch.no_grad()
def test_padding_and_repeated_codes_change_nothing():
    decoder = make()
    x = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD]])
    z = torch.randn(6, 4)
    together = decoder.likelihood(x)(z)
    apart = torch.cat(
        [decoder.likelihood(row[row != PAD][None])(z[3 * i : 3 * i + 3]) for i, row in enumerate(x)]
    )
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_cache_of_some_sequences_is_that_of_running_them_alone():
    """Sampling goes on with the sequences that have not ended."""
    decoder, z = make(), torch.randn(5, 4)
    x = torch.randint(4, 30, (5, 3))
    rows = torch.tensor([3, 1])

    def after(tokens, z):
        state = None
        for token in (torch.full((len(z),), decoder.bos), *tokens.T[:-1]):
            _, state = decoder.next_logits(token, state, z)
        return state

    state = decoder.select(after(x, z), rows)
    together, _ = decoder.next_logits(x[rows, -1], state, z[rows])
    alone, _ = decoder.next_logits(x[rows, -1], after(x[rows], z[rows]), z[rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_z_has_a_gradient_and_matters():
    decoder = make(half=False)
    z = torch.randn(2, 4, requires_grad=True)
    value = decoder.likelihood(torch.tensor([[5, 6, EOS], [7, 8, EOS]]))(z)
    (gradient,) = torch.autograd.grad(value.sum(), z)
    assert float(gradient.norm()) > 0


def test_a_pretrained_model_keeps_its_tokens_and_a_saved_one_needs_it_no_more(tmp_path):
    config = transformers.GPT2Config(vocab_size=26, n_positions=20, n_embd=16, n_layer=1, n_head=2)
    language_model = transformers.GPT2LMHeadModel(config).eval()
    language_model.save_pretrained(tmp_path / "gpt2")
    decoder = make(pretrained=str(tmp_path / "gpt2"))
    ids = torch.tensor([[4, 10, 29]])
    assert torch.equal(decoder.embed(ids), language_model.get_input_embeddings()(ids - 4))
    model = LatentEBM(GaussianPrior(4), decoder)
    model.save_pretrained(tmp_path / "model")
    for file in (tmp_path / "gpt2").iterdir():
        file.unlink()
    json.loads(json.dumps(decoder.options))
    again = TransformersDecoder(**decoder.options).eval()
    again.load_state_dict(decoder.state_dict())
    x, z = torch.tensor([[5, 6, 7, EOS]]), torch.randn(1, 4)
    with torch.no_grad():
        torch.testing.assert_close(again.likelihood(x)(z), decoder.likelihood(x)(z))


def test_a_damaged_pretrained_model_is_refused_or_told_of(tmp_path):
    from safetensors.torch import load_file, save_file

    config = transformers.GPT2Config(vocab_size=26, n_positions=20, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    file, described = tmp_path / "model.safetensors", tmp_path / "config.json"
    good, said = load_file(file), described.read_text()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UsageError, match="no folder and no hub id .* could be read: "):
        make(pretrained=str(tmp_path))
    (name, *_) = (key for key in good if key.endswith("c_fc.weight"))
    save_file({k: v / 0 if k == name else v for k, v in good.items()}, file, {"format": "pt"})
    with pytest.raises(UsageError, match="weights that are not finite"):
        make(pretrained=str(tmp_path))
    save_file({k: v for k, v in good.items() if k != name}, file, {"format": "pt"})
    with pytest.warns(UserWarning, match=f"lacks 1 of the weights.*{name}"):
        make(pretrained=str(tmp_path))
    described.write_text(said.replace('"n_layer": 1', '"n_layer": 1000000000000'))
    with pytest.raises(UsageError, match="its num_hidden_layers = 1000000000000"):
        make(pretrained=str(tmp_path))


def test_the_plain_language_model_has_no_prefix():
    decoder = TransformersDecoder(0, 30, width=32, layers=1, heads=2, max_length=8).eval()
    with torch.no_grad():
        x = decoder(torch.zeros(3, 0)).sample(generator=torch.Generator().manual_seed(0))
        assert torch.isfinite(decoder.likelihood(x)(torch.zeros(3, 0))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 33}, "not a multiple of decoder.heads"),
        ({"prefix": 0}, "prefix = 0 is too small; use at least 1"),
        ({"pretrained": "/nowhere/at/all"}, "no folder and no hub id"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        make(**options)


def test_too_few_tokens_and_too_few_positions_are_named(tmp_path):
    config = transformers.GPT2Config(vocab_size=20, n_positions=20, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="has 20 tokens, the data 26"):
        make(pretrained=str(tmp_path))
    with pytest.raises(UsageError, match="exceed the 14 positions"):
        make().likelihood(torch.full((1, 13), 5))
