"""Plans on a cluster: what is wanted is compared with store, submissions and queue, and the difference is submitted."""
