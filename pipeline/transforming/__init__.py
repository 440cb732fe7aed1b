"""Make records fit for billing, one at a time: map, normalize, validate. Pure."""
