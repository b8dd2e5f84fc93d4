"""What bin/structure and bin/architecture are made of. They read the code; only the state diagrams load Django's models."""
