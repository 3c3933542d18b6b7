"""Azure's services in the product's own words: clients, retries, and what a refusal means.

Together with the issuers, this is where Azure's SDKs are known. Nothing here knows what a rotation is.
"""
