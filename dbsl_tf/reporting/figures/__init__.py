"""The figures, one file for each kind; all are legible in grey and one column of a paper wide."""
