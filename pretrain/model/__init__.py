"""Student, momentum teacher, heads, norms and queues."""
