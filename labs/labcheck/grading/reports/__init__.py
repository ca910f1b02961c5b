"""Reports: a class's grades, in the forms in which somebody wants them.

A report reads grades and changes none; it starts nothing and asks nothing of the network. Whatever a student
or a machine said is text in it: never markup, never a formula, never a control code.

The map, from the leaves up::

    text          other people's words made harmless, and numbers and times as a person reads them
    files         files written whole or not at all, and names for them
    summary       a class: its grades, how often each check failed, the commonest diagnoses
    remarks       what must be said beside a grade: a penalty, an override, what was left out
    feedback      what a student reads, in Markdown
    table         the class as rows of named columns, and as CSV
    workbook      the same as an Excel workbook (the extra ``tunelab[calificar]``)
    page          the instructor's pages: a class's and one a student, from ``templates``
    platforms     what Gradescope and PrairieLearn read
    moodle        the grading worksheet that Moodle exported, filled in
    terminal      the class's table for a terminal

A *pending* grade is blank everywhere, with its reason, and never a zero.
"""
