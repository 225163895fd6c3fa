"""The commands, a file each: their options, and what they print. They alone parse arguments."""
