"""Archives: thousands of hours, worked through once, shard by shard, in spite of broken files and killed processes."""
