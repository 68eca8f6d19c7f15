"""The local AWS, the local user pool, and how their processes are started and ended."""
