"""What every Tradepost function shares: rules, the table, the adapters and the HTTP contract."""
