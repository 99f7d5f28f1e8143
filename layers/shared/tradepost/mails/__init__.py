"""The mails that the product sends: what each of them knows, and how it is put into words, HTML and plain text."""
