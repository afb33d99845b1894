"""The one pass over the training rows before training starts."""
