"""`pipeline bundle`: `story.py` from top to bottom; `members.py` what goes into it, `searched.py` whom it must not name."""
