"""A file for each kind of figure; all legible in grey and as wide as a column of a paper."""
