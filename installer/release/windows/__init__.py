"""setup.exe for Windows: the payload, its launchers, and the installer around them."""
