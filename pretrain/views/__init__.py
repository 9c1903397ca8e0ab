"""Two views of an image: where they are cut, what happens to their colours, and how they reach the model."""
