"""The key-rotation agent: opens the vault, replaces its data key when that is due, and reminds of renewals."""
