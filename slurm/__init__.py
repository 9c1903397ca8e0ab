"""One executor over submitit, and cluster profiles."""
