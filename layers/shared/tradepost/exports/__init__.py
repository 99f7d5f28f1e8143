"""Writing exports: reading what is asked for in stretches, spelling it as CSV, and keeping it on S3 in parts."""
