"""Clients of Azure's services, which translate the SDKs' errors into this product's; with retries and time limits.

Only this package, the issuers and some modules of reporting/ import Azure's SDKs. Nothing here knows of rotations.
"""
