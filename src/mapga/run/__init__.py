"""One run: its components assembled, its batches restored, scored and recorded."""
