"""Product and sandbox held against Azure's own words: specifications, recordings, types and schemas."""
