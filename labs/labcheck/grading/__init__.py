"""Grading: what came of a lab for each student of a class.

The map, from the leaves up::

    grade     one student's grade: verdicts, when it was handed in, what was taken off, what was set by hand
    roster    the class, from the CSV file that a spreadsheet saved
    lateness  what a late grade loses
    worker    one student's review, in a process of its own
    batch     a whole class, several at a time
    seal      the keys of a class, and the seal that one of them sets
    handin    what a student hands in: one file, with its evidence
    verify    hand-ins judged without their machines
    reports   a class's grades for a terminal, a browser, a spreadsheet, and other platforms
"""
