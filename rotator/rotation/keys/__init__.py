"""Key rotation: which account key may be regenerated, when, and the order that breaks no consumer."""
