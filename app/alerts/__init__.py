"""How people are told: desktop notifications on transitions."""
