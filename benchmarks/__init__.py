"""What is fast, what is not, and by how much: measured warm and repeated, as ratios within one run."""
