"""The HTTP contract: routing, callers, problem details, preconditions, idempotency, pages."""
