"""Whose token is whose, which names each may claim, and until when.

Map
    ``patterns``     names that a token may claim: one, those under a domain, or all of them
    ``quota``        how much a token may take
    ``ring``         the tokens that are known now; of two that cover a name, the more specific has it
    ``tokens_file``  a ring from a TOML file that an exit node shared by many reads
    ``keeper``       the ring in force, and its file watched for changes
    ``edit``         entries put into that file and taken out of it, whoever else writes it

A *label* is a token's name for people: it stands in events and logs, where a secret never does.
"""
