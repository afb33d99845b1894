"""What the method's choices rest on: one study, one command and one section of RESULTS.md each."""
