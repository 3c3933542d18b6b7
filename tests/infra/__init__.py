"""The infrastructure, read as text: no compiler and no Azure here."""
