"""Adapters to the AWS services other than the table."""
