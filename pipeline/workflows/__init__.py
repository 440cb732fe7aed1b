"""The imperative shell, a module a command: only here do pure stages meet files and network."""
