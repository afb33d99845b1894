"""What layers are described in: parameter tensors, the signals between layers, activations."""
