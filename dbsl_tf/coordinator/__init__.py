"""The outer loop: when each mini-epoch begins, who trains it, and its merge."""
