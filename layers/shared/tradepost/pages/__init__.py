"""The pages that people without an account see: server-rendered, without scripts, in the colours of the store."""
