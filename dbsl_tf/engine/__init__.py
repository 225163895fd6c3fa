"""The cluster as one sees it from the coordinator: calls, who takes part, what failed."""
