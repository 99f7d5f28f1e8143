"""The business rules: pure, without I/O; time, ids and secrets come in as arguments."""
