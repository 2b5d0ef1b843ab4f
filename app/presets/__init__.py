"""Presets: what receivers that people know want to be sent, a data file each, with its source and its day."""
