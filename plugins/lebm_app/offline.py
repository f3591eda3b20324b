"""What keeps libraries from asking other machines; imported before they are."""

from __future__ import annotations

import os

__all__: list[str] = []

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"  # data of a hub are read from the cache alone
