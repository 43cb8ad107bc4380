"""The commands. A command imports its modules only when the command runs, so that `--help` is fast."""
