"""`pipeline reconcile`: `story.py` from top to bottom; `meant.py` our side, `billed.py` billing's, `look_ups.py` the way of asking it."""
