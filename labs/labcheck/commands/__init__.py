"""The verbs of ``lab``, one module a group; each has ``add_to``, which adds its parser and its function."""
