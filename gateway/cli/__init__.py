"""The commands. A command imports the modules that it needs when it runs, so that `--help` is fast."""
