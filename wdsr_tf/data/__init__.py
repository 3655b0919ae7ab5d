"""Pictures on disk become batches: layout, cache, augmentation, sampling, pipeline."""
