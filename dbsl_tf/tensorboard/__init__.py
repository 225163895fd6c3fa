"""Event files for TensorBoard, beside history.jsonl."""
