"""Loss branches: each reads two views' features and gives a loss per direction."""
