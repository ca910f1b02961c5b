"""``local``: an exit node that is a process of this machine, with no account and no cost.

``provider`` is the provider, ``detached`` starts a command that outlives the terminal and can be found
again after a crash of whoever started it.
"""
