"""The cluster as the coordinator sees it: calls, membership and failures."""
