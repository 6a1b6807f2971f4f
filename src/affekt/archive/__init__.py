"""Archives: thousands of hours, processed once, shard by shard, despite broken files and killed processes."""
