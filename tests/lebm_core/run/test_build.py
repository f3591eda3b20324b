"""From a recipe's tables to objects."""

from __future__ import annotations

import pytest

from lebm_core.errors import UsageError
from lebm_core.registry.components import component


def test_a_part_that_the_data_do_not_fit_is_refused_by_name() -> None:
    made = component("decoders", {"name": "tabular.bag"}, 4, {"features": 7})
    assert made.latent_dim == 4
    with pytest.raises(UsageError, match=r'"tabular\.bag" needs features.*gives vocab_size, pad\.'):
        component("decoders", {"name": "tabular.bag"}, 4, {"vocab_size": 7, "pad": 0})
