"""What bin/structure and bin/architecture share: they read the code, they do not run it."""
