"""The published grids of experiments, trained anew and judged by the order of their rows."""
