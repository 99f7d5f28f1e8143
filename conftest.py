"""The stack and the browser, for every test that asks for them."""

pytest_plugins = ["local_stack.testing"]
