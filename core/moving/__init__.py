"""A whole project as one file, which another installation imports with equal hashes and history.

parts        what each app registers: which of its tables belong to an archive, and which are left out
fields       whether a value fits its column
manifest     the list of contents of an archive
writing      makes an archive
container    reads the file, and trusts nothing in it
ids          old numbers of rows and their new ones
people       accounts by e-mail address
files        artifacts: datasets, uploads, weights
reading      imports an archive, all of it or nothing
own          core's own parts
services     starts, removes and finds archives and imports
runner       the background jobs
"""
