"""The imperative shell: one file a command's story. Here, and only here, stages and edges meet."""
