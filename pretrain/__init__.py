"""Pre-training: recipes, views, model, loss branches, training loop, checkpoints."""
