"""Files: written whole or not at all, appended line by line, fetched from elsewhere."""
