"""What was asked and answered: the transcripts, and what makes them quick to find."""
