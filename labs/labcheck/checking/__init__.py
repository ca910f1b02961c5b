"""What a check is, and the pytest plugin that runs checks.

A *check* is a pytest test of a lab's folder that looks at one observable fact. It declares its points, the
checks it depends on and its time limit with `check`; its docstring is the claim that a student reads. It ends
in one of four verdicts: *aprobado*; *fallado*, with a `Diagnosis`; *omitido*, because a check that it depends
on failed; and *sin comprobar*, because the environment or the tool failed, which never costs points.

The map, from the leaves up::

    diagnosis      verdicts, diagnoses, and the two exceptions that a check raises
    spec           `check`, the decorator, and what it declares
    through_host   HTTP asked from the machine that is looked at, with its own curl
    place          where the application and the public side are: modes, addresses, sessions
    plugin         the pytest plugin: it acts on checks and on nothing else

For a lab's author: ``from labcheck.checking.spec import check`` and the fixture `place`.
"""
