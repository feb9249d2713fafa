"""The command line: ``worked run``, ``worked verify`` and the rest. Errors are one sentence and exit status 1."""
