"""The outer loop: which mini-epoch begins when, and what becomes of it."""
