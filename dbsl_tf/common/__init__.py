"""What all parts use: errors, files, the command line, quiet start-up."""
