"""What the exit node's owner decides for each name: who may visit it, from where and how often.

Map
    ``file``         the sites file (TOML), read and checked
    ``site``         one name's policy, and the table that finds it
    ``networks``     sets of addresses
    ``passwords``    what is kept of a password
    ``credentials``  users and tokens, from files
    ``keeper``       the sites in force, and their files watched for changes
    ``gate``         judges each visitor's request: what ``transport.gate`` asks for
    ``doorkeeper``   asks visitors for passwords and tokens
    ``oidc``         lets them log in with an account that they have
    ``verdicts``     how the gate says no, and what it takes out of what passes
    ``cookies``      the exit node's own cookies among those of a service

Other rooms that have something to say of a name (its certificate, its clients) add a key to ``file`` and a
field to ``site.Site``, and ask ``keeper.find``.
"""
