"""The flow editor's pure parts: a config as fields of a form and back, its checks, previews, differences."""
