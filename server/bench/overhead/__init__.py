"""What a passed-through request costs the gateway, against the least proxy anybody would write."""
