"""The function app's own storage (`AzureWebJobsStorage`): the settings that name it, and its containers and leases."""
