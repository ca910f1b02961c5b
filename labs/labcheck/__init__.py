"""The labs' runner: it proves that a tunnel is one, shows it, and runs and checks the labs.

It sees the other programs of the course only as a classmate or an instructor would: over HTTP, and as command
lines with an exit code. It imports none of them.

The map, from the leaves up::

    terminal        what a person reads: lines, marks and colour, as far as the terminal can show them
    arguments       a command line in Spanish
    interruptions   Ctrl-C, SIGTERM and a closed terminal, at a moment when nothing can be lost
    ports           free ports, and who holds the wanted ones
    children        the processes that a command starts: their first words, their last ones, and their end
    hops            which hop of the path failed, told from an answer or from an error
    proof           the proof at the heart of the course, step by step
    report          an exchange as curl shows it, and a fault with its hop
    modes           the three places where a lab can be done
    catalog         the labs that there are, each a folder
    checking        what a check is, and the pytest plugin that runs checks
    observing       what can be seen of a lab from outside its programs
    grading         a class: one grade a student, and how it is found out
    reviewing       a review: a lab's checks, run here by pytest, and what came of them
    progress        a student's progress, one file a lab
    steps           a lab's shell programs: its steps, its solution, its cleanup
    commands        one module a verb: listar, iniciar, revisar, pista, resolver, terminar, probar, informe
    scenes          the demonstration
    recording       a lab's walkthrough: a page that plays it, subtitles, and what was seen as text
    cli, demo       the programs ``lab`` and ``./scripts/demo``

The words used throughout: the *public side* is the exit node's data plane, where visitors come in; the *local
side* is the application itself. A *hop* is one of the five places on the way: visitor, exit node, link,
client, application. A *nonce* is a random word of one run, so that no older answer can pass for a new one.
"""
