"""The function app's own storage (`AzureWebJobsStorage`): leases and containers in it, and settings that name it."""
