"""What is settled before training: options, the spec of a run, the plan of its rounds."""
