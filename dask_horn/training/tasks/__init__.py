"""The pure functions that tasks call: divide, train, merge, measure, evaluate, save."""
