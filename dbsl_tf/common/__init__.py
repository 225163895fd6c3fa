"""What all parts use: errors, files, versions, quiet start-up."""
