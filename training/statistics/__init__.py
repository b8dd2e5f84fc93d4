"""Pure calculations on two models' results for the same items: no database, no Django. One file per kind of result."""
