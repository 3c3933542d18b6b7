"""What the app sends to: a chat service's webhook, and Application Insights' ingestion."""
