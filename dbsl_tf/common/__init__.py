"""Helpers that all folders share: errors, files, versions, quiet start-up."""
