"""The grading worksheet that Moodle exported, filled in with a class's grades.

Moodle reads back only what it wrote: it finds columns by their headers, in the language of whoever exports
and imports, and people by its own identifier (mod/assign/feedback/offline, ``importgradeslib.php``). So the
worksheet is not written anew. It is taken apart into cells that remember their own bytes, and only the cells
of the grades and of the comments change.

The map, from the leaves up::

    sheet       a delimited file as cells that remember how they were written
    headers     what Moodle calls the columns, language by language
    columns     which column is which, by name, by structure, or as told
    people      whose each row is
    worksheet   the worksheet filled in, and what was done
"""
