"""What a model is told of what an audit found."""
