"""The single DynamoDB table: keys, records, transactions and one repository per aggregate."""
