"""Who is asked: providers of OpenAI-compatible chat completions, in order, within budgets, and what goes wrong."""
