"""`pipeline bundle`: start reading at `workflow.py`.

`members.py` writes the files of a bundle, and `pii_check.py` searches it for personal data.
"""
