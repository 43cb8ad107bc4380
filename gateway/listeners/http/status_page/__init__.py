"""The pages that describe the state of the gateway: readiness, and the status page."""
