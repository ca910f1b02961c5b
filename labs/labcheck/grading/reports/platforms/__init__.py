"""What other platforms' graders write for one submission, made of one student's grade.

gradescope      ``results.json`` of a Gradescope autograder
prairielearn    ``results.json`` of a PrairieLearn external grader
export          the files of a class, one folder a student
"""
