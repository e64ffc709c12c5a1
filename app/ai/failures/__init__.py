"""What a model is told of a failure: what is known of it, trimmed to a budget, without secrets."""
