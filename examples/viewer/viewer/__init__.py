"""A small web page that shows pictures from Azure Blob storage with the SAS that a Kubernetes Secret holds."""
