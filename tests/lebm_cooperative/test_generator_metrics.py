"""Spectra of samples, principal components, reconstructions by chains."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA

from lebm_cooperative.metrics.expansion import spectrum
from lebm_cooperative.metrics.pca import reconstructed_by_components


def test_principal_components_are_those_of_scikit_learn() -> None:
    train, x = torch.randn(60, 9).double(), torch.randn(20, 9).double()
    theirs = PCA(4).fit(train.numpy())
    expected = theirs.inverse_transform(theirs.transform(x.numpy()))
    ours = reconstructed_by_components(x, train, 4)
    assert torch.allclose(ours, torch.from_numpy(expected))


def test_the_spectrum_of_a_wave_is_at_its_frequency() -> None:
    t, i, j = torch.meshgrid(*[torch.arange(n) for n in (8, 16, 16)], indexing="ij")
    wave = torch.cos(2 * torch.pi * (4 * j / 16 - 2 * t / 8))
    share = spectrum(wave[None, None])
    assert torch.isclose(share.sum(), torch.ones(()).double())
    peak = divmod(int(share.argmax()), 256)
    assert peak[0] in (2, 6)
    assert peak[1] in (4, 12)  # frequency 0 down and 4 to the right, or its mirror


def test_the_spectrum_of_white_noise_is_flat() -> None:
    n = 4000
    x = torch.randn(n, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    share = spectrum(x + 3)
    # Away from 0 the power at each frequency is chi-square with 2 degrees of freedom, or 1.
    inner = share[2:5, 2:4].flatten()
    assert float((inner / inner.mean() - 1).abs().max()) < 4.5 * (2 / n) ** 0.5
