"""Floor 0: what a computation is. Nothing here knows of derivatives."""
