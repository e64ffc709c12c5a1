"""One run by pytest: in which interpreter, with which orders, followed line by line, and judged at its end."""
