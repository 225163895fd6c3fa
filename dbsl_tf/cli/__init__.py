"""The commands, one file each: their options and their output. Only they parse arguments."""
