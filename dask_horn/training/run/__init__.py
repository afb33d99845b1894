"""The loop over rounds, their barriers and checkpoints."""
