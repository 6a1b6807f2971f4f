"""The web server: recordings and live streams in, emotions out. ``affekt serve`` starts it; extra ``serve``."""
