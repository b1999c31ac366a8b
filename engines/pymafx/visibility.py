"""When the network counts a hand as visible."""

VISIBLE = 0.1
"""Above this, raw, a hand's visibility counts as visible (the authors' HAND_VIS_TH)."""
