"""What the gateway and the scoring service have in common as servers: requests, errors, the process."""
