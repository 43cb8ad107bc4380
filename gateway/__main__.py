"""`python -m gateway` is the command `baremetal-gateway`."""

from gateway.cli import main

main()
