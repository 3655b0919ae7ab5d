"""Folders that outgrow one process: shards, workers on Ray, and one report."""
