"""What the tests share: the functions in one process, a table like the deployed one, and stores to play with."""
