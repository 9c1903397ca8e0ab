"""The command line, keys, the run store, and driving a plan to its end."""
