"""The blob service, our own or Azurite, and what is in it from the start."""
