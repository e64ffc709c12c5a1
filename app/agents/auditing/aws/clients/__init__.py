"""How the services of AWS are called: many accounts, few clients, each request signed by its own account."""
